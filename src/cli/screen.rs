//! How wide, how colourful and with which signs to draw, decided once from flags and environment.

use std::env::var_os;
use std::io::IsTerminal;

use crate::cli::args::ColorChoice;

/// Columns when nothing says otherwise.
const WIDTH_DEFAULT: usize = 80;
/// Widths out of this range are a mistake of whoever set them.
const WIDTHS: std::ops::RangeInclusive<usize> = 20..=1000;

/// What stdout can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Screen {
    /// Columns to draw in.
    pub width: usize,
    /// Nobody said how wide it is: text may run longer than `width`.
    pub unlimited: bool,
    /// Use colours.
    pub color: bool,
    /// Use signs beyond ASCII.
    pub unicode: bool,
    /// It is a terminal.
    pub terminal: bool,
}

/// The parts of the world that decide.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub terminal: bool,
    pub terminal_width: Option<usize>,
    pub columns: Option<String>,
    pub no_color: bool,
    pub force_color: bool,
    pub dumb: bool,
    pub locale: Option<String>,
}

impl Surroundings {
    /// Asks the environment and the terminal.
    pub(crate) fn look() -> Self {
        let text = |name| var_os(name).and_then(|v| v.into_string().ok()).filter(|v| !v.is_empty());
        let terminal = std::io::stdout().is_terminal();
        Self {
            terminal,
            terminal_width: if terminal { terminal_width() } else { None },
            columns: text("COLUMNS"),
            no_color: text("NO_COLOR").is_some(),
            force_color: text("CLICOLOR_FORCE").is_some_and(|v| v != "0"),
            dumb: text("TERM").is_some_and(|v| v == "dumb"),
            locale: text("LC_ALL").or_else(|| text("LC_CTYPE")).or_else(|| text("LANG")),
        }
    }
}

fn terminal_width() -> Option<usize> {
    terminal_size::terminal_size_of(std::io::stdout()).map(|(width, _)| usize::from(width.0))
}

impl Screen {
    /// Decides. A flag or setting other than `auto` wins over the environment.
    pub(crate) fn decide(choice: ColorChoice, ascii: bool, around: &Surroundings) -> Self {
        let asked = around.columns.as_deref().and_then(|c| c.trim().parse().ok());
        let width = asked.or(around.terminal_width).filter(|w| WIDTHS.contains(w));
        let color = match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto if around.no_color => false,
            ColorChoice::Auto => around.force_color || (around.terminal && !around.dumb),
        };
        // Without any locale, as in containers, terminals are UTF-8; one that names another
        // character set is believed.
        let utf8 = around.locale.as_deref().is_none_or(|l| {
            let l = l.to_ascii_lowercase();
            l.contains("utf-8") || l.contains("utf8") || !around.terminal
        });
        Self {
            width: width.unwrap_or(WIDTH_DEFAULT),
            unlimited: width.is_none() && !around.terminal,
            color,
            unicode: !ascii && utf8 && !(around.terminal && around.dumb),
            terminal: around.terminal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe() -> Surroundings {
        Surroundings::default()
    }

    fn terminal() -> Surroundings {
        Surroundings { terminal: true, terminal_width: Some(120), ..pipe() }
    }

    fn auto(around: &Surroundings) -> Screen {
        Screen::decide(ColorChoice::Auto, false, around)
    }

    #[test]
    fn width_is_columns_then_the_terminal_then_80() {
        assert_eq!(auto(&pipe()).width, 80);
        assert!(auto(&pipe()).unlimited);
        assert_eq!(auto(&terminal()).width, 120);
        assert!(!auto(&terminal()).unlimited);
        for (columns, width) in [("60", 60), ("0", 80), ("x", 120), ("999999", 80)] {
            let around = Surroundings { columns: Some(columns.to_owned()), ..terminal() };
            assert_eq!(auto(&around).width, width, "{columns}");
        }
    }

    #[test]
    fn colour_follows_flag_then_environment_then_terminal() {
        assert!(!auto(&pipe()).color);
        assert!(auto(&terminal()).color);
        assert!(!auto(&Surroundings { no_color: true, force_color: true, ..terminal() }).color);
        assert!(auto(&Surroundings { force_color: true, ..pipe() }).color);
        assert!(!auto(&Surroundings { dumb: true, ..terminal() }).color);
        let no_color = Surroundings { no_color: true, ..pipe() };
        assert!(Screen::decide(ColorChoice::Always, false, &no_color).color);
        assert!(!Screen::decide(ColorChoice::Never, false, &terminal()).color);
    }

    #[test]
    fn signs_beyond_ascii_need_a_terminal_that_has_them() {
        assert!(auto(&terminal()).unicode);
        assert!(auto(&pipe()).unicode);
        assert!(!Screen::decide(ColorChoice::Auto, true, &terminal()).unicode);
        for (locale, unicode) in [("C", false), ("de_DE.ISO-8859-1", false), ("de_DE.UTF-8", true), ("C.utf8", true)] {
            let around = Surroundings { locale: Some(locale.to_owned()), ..terminal() };
            assert_eq!(auto(&around).unicode, unicode, "{locale}");
            assert!(auto(&Surroundings { terminal: false, ..around }).unicode, "a file is UTF-8");
        }
    }
}
