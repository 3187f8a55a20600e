//! What every connector must do, whatever its engine: the same tests for all of them, told apart only by what each declares. What
//! is declared must work; what is not must be refused, not be done badly.

mod introspection;
mod policies;
pub mod proxy;
mod running;
pub mod subject;
mod unreachable;
mod values;

/// A module per engine with these tests in it.
macro_rules! for_each_engine {
    ($($test:ident),* $(,)?) => {
        mod postgres { $crate::conformance::tests!(Postgres, $($test),*); }
        mod mariadb { $crate::conformance::tests!(MariaDb, $($test),*); }
        mod files { $crate::conformance::tests!(Files, $($test),*); }
    };
}

macro_rules! tests {
    ($kind:ident, $($test:ident),*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            super::$test($crate::conformance::subject::Kind::$kind).await;
        }
    )*};
}

use {for_each_engine, tests};
