//! `CALL`: what a client may ask of the gateway itself.

use planner::error::state;
use planner::{Error, Result};

use super::command::Command;
use super::cursor::Tokens;
use super::lexer::position;

pub(super) fn call(t: &mut Tokens<'_>) -> Result<Command> {
    t.expect("call")?;
    let at = t.peek().map(|token| position(t.sql, token.start));
    let name = t.dotted_name()?;
    t.expect_symbol("(")?;
    let source = t.string()?;
    if name != "narrows.refresh_catalog" || t.peek_text() != ")" {
        let error =
            Error::new(state::UNDEFINED_FUNCTION, format!("procedure {name} with these arguments does not exist"));
        let hint = "The gateway's only procedure is narrows.refresh_catalog(): it reads all sources again, or the one named \
                    by a string constant.";
        return Ok(Command::Refused(error.or_position(at).with_hint(hint)));
    }
    t.expect_symbol(")")?;
    t.expect_end()?;
    Ok(Command::RefreshCatalog { source })
}
