//! Consent to what cannot be undone.

use std::io::{BufRead, IsTerminal};

use crate::cli::context::Context;
use crate::error::{Failure, Kind, Result};

/// Asks a person whether to go on, or says how a script agrees. `what` says what is done: `remove rule slow`.
///
/// # Errors
/// A usage error where nobody can be asked; a refusal when the answer is not yes.
pub(crate) fn agree(what: &str, context: &Context) -> Result<()> {
    if !context.interactive() || !std::io::stdin().is_terminal() || context.json() {
        return Err(Failure::usage(format!("that would {what}")).hint("add --yes to do it"));
    }
    context.note(&format!("This will {}. Go on? [y/N]", crate::error::escaped(what)));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).map_err(|e| Failure::io("read", "stdin", &e))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::new(Kind::Refused, "nothing was changed")),
    }
}
