//! From DataFusion's errors to ours: the SQLSTATE PostgreSQL would give where there is one.

use std::error::Error as StdError;
use std::io;

use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use planner::Error;
use planner::error::state;

/// An [`Error`] that travelled through DataFusion comes out unchanged, whatever wraps it.
pub(crate) fn translate(error: DataFusionError) -> Error {
    if let Some(io) = find::<io::Error>(&error) {
        if let Some(own) = io.get_ref().and_then(|inner| find::<Error>(inner)) {
            return own.clone();
        }
        if io.kind() == io::ErrorKind::StorageFull {
            return Error::new(state::DISK_FULL, format!("could not write a temporary file: {io}"));
        }
    }
    if let Some(own) = find::<Error>(&error) {
        return own.clone();
    }
    match error.find_root() {
        DataFusionError::ResourcesExhausted(detail) => Error::new(state::OUT_OF_MEMORY, "out of memory")
            .with_detail(detail.clone())
            .with_hint("Raise the memory limit, or let the query read less."),
        DataFusionError::ArrowError(inner, _) => match inner.as_ref() {
            ArrowError::DivideByZero => Error::new(state::DIVISION_BY_ZERO, "division by zero"),
            ArrowError::ArithmeticOverflow(_) => Error::new(state::NUMERIC_VALUE_OUT_OF_RANGE, "value out of range"),
            _ => Error::from(error),
        },
        DataFusionError::Execution(text) if text.contains("Scalar subquery returned more than one row") => {
            Error::new(state::CARDINALITY_VIOLATION, "more than one row returned by a subquery used as an expression")
        }
        _ => Error::from(error),
    }
}

/// An error with its causes, for libraries whose own text is only "transport error".
pub(crate) fn chain(error: &(dyn StdError + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// The first `T` on the way from an error to its causes.
fn find<'a, T: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        // `source()` of these starts behind what they wrap.
        next = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            Some(DataFusionError::ArrowError(inner, _)) => Some(inner.as_ref()),
            Some(DataFusionError::IoError(inner)) => Some(inner),
            Some(DataFusionError::Shared(inner)) => Some(inner.as_ref()),
            _ => match current.downcast_ref::<ArrowError>() {
                Some(ArrowError::ExternalError(inner)) => Some(inner.as_ref()),
                Some(ArrowError::IoError(_, inner)) => Some(inner),
                _ => current.source(),
            },
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_error_is_found_in_every_wrapping() {
        let own = || Error::new(state::DISK_FULL, "full");
        let io = || io::Error::other(own());
        let wrappings = [
            DataFusionError::from(own()),
            DataFusionError::IoError(io()),
            DataFusionError::from(ArrowError::IoError("writing".into(), io())).context("spilling"),
            DataFusionError::Shared(std::sync::Arc::new(ArrowError::ExternalError(Box::new(own())).into())),
        ];
        for wrapped in wrappings {
            let text = wrapped.to_string();
            assert_eq!(translate(wrapped).sqlstate(), state::DISK_FULL, "{text}");
        }
    }

    #[test]
    fn what_datafusion_says_gets_postgresqls_code() {
        let memory = translate(DataFusionError::ResourcesExhausted("sort wanted more".into()).context("sorting"));
        assert_eq!((memory.sqlstate(), memory.message()), (state::OUT_OF_MEMORY, "out of memory"));
        let rows = translate(DataFusionError::Execution("Scalar subquery returned more than one row".into()));
        assert_eq!(rows.sqlstate(), state::CARDINALITY_VIOLATION);
        let zero = translate(ArrowError::DivideByZero.into());
        assert_eq!(zero.sqlstate(), state::DIVISION_BY_ZERO);
    }
}
