//! What every command needs to know about its surroundings, each part looked up when first asked
//! for: the clock, the store's place, settings, the time zone, the screen.

use std::cell::{Cell, OnceCell};
use std::env::var_os;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use ax_storage::clock::{Clock, Stopwatch, SystemClock};
use ax_storage::time::{TimeRange, Timestamp, Zone};
use ax_storage::{OpenError, Store};
use etcetera::BaseStrategy;
use serde::Serialize;

use crate::calendar::Calendar;
use crate::cli::args::{ColorChoice, Global, SpanArgs};
use crate::cli::config::{self, Color, Config};
use crate::cli::screen::{Screen, Surroundings};
use crate::cli::time;
use crate::dashboard::Warning;
use crate::error::{Failure, Kind, Result, escaped, plain};
use crate::import::places::Home;
use crate::render::{self, Style, WIDTH_UNLIMITED};
use crate::words::{nearest, visible_json};

/// The time span without `--range`.
const RANGE_DEFAULT: &str = "1h";
/// A backlog older than this is worth a warning: nobody does the upkeep.
const BACKLOG_MS_MAX: u64 = 10 * 60_000;

/// The surroundings of one command.
pub(crate) struct Context {
    flags: Global,
    now: Timestamp,
    /// `--at` or `AX_MONITOR_NOW` stopped the clock.
    stopped: bool,
    watch: Stopwatch,
    config: OnceCell<Config>,
    zone: OnceCell<Zone>,
    screen: OnceCell<Screen>,
    warnings: Cell<Vec<Warning>>,
    /// The store holds made-up traffic.
    pub demo: bool,
}

/// Where a value comes from, for `config show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Flag,
    Environment,
    File,
    System,
    Default,
}

impl Context {
    /// Surroundings for a command with these global flags.
    ///
    /// # Errors
    /// A usage error when `--at` is no time.
    pub(crate) fn new(flags: Global) -> Result<Self> {
        let mut context = Self {
            flags,
            now: Timestamp::MIN,
            stopped: false,
            watch: Stopwatch::start(),
            config: OnceCell::new(),
            zone: OnceCell::new(),
            screen: OnceCell::new(),
            warnings: Cell::default(),
            demo: false,
        };
        let at = context.flags.at.clone().or_else(|| variable("AX_MONITOR_NOW"));
        let system = SystemClock.now();
        context.stopped = at.is_some();
        context.now = match at {
            None => system,
            Some(at) if time::needs_zone(&at) => time::moment(&at, system, &context.calendar()?)?,
            Some(at) => time::moment(&at, system, &Calendar::new(&Zone::utc()))?,
        };
        Ok(context)
    }

    /// Surroundings like these for a command on made-up traffic in the store at `dir`: the clock
    /// stands where the traffic ends.
    pub(crate) fn for_demo(&self, flags: Global, dir: PathBuf) -> Result<Self> {
        let at = flags.at.clone().unwrap_or_else(|| self.now.to_string());
        Ok(Self { demo: true, ..Self::new(Global { store: Some(dir), at: Some(at), ..flags })? })
    }

    /// The global flags.
    pub(crate) fn flags(&self) -> &Global {
        &self.flags
    }

    /// When the command started, or the time it was told to answer for.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// The current time, for commands that run long; it stands still with `--at`.
    pub(crate) fn clock(&self) -> Timestamp {
        if self.stopped { self.now } else { SystemClock.now() }
    }

    /// Whether `--at` or `AX_MONITOR_NOW` stopped the clock.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Counts the time of the command from here.
    pub(crate) fn restart_watch(&mut self) {
        self.watch = Stopwatch::start();
    }

    /// Time since the command started.
    pub(crate) fn elapsed(&self) -> std::time::Duration {
        self.watch.elapsed()
    }

    /// `--json`.
    pub(crate) fn json(&self) -> bool {
        self.flags.json
    }

    /// Whether questions and progress bars reach a person.
    pub(crate) fn interactive(&self) -> bool {
        !self.flags.quiet && !self.flags.no_input && std::io::stderr().is_terminal()
    }

    /// The store's directory: `--store`, `AX_MONITOR_STORE`, the user's data directory.
    ///
    /// # Errors
    /// When there is no home directory to look in.
    pub(crate) fn store_dir(&self) -> Result<PathBuf> {
        if let Some(dir) = &self.flags.store {
            return Ok(dir.clone());
        }
        if let Some(dir) = variable("AX_MONITOR_STORE") {
            return Ok(dir.into());
        }
        Ok(base()?.data_dir().join("ax").join("monitor"))
    }

    /// What decides where other tools keep their logs.
    pub(crate) fn log_home(&self) -> Home {
        let home = base().ok().map(|base| base.home_dir().to_owned());
        Home { home, claude: variable("CLAUDE_CONFIG_DIR"), codex: variable("CODEX_HOME") }
    }

    /// The settings file, there or not, and whether it was asked for by name.
    ///
    /// # Errors
    /// When there is no home directory to look in.
    pub(crate) fn config_path(&self) -> Result<(PathBuf, bool)> {
        if let Some(file) = &self.flags.config {
            return Ok((file.clone(), true));
        }
        if let Some(file) = variable("AX_MONITOR_CONFIG") {
            return Ok((file.into(), true));
        }
        Ok((base()?.config_dir().join("ax").join("monitor.toml"), false))
    }

    /// The settings.
    ///
    /// # Errors
    /// When the file cannot be read or understood, or was asked for and is not there.
    pub(crate) fn config(&self) -> Result<&Config> {
        once(&self.config, || {
            let Ok((path, named)) = self.config_path() else {
                return Ok(Config::default());
            };
            if named && !path.exists() {
                return Err(Failure::usage(format!("there is no settings file {}", path.display()))
                    .hint("`ax monitor config init` writes one"));
            }
            config::load(&path)
        })
    }

    /// The zone of days and printed times: flag, variable, settings, TZ, the system's, UTC.
    ///
    /// # Errors
    /// When a flag or setting names a zone that does not exist.
    pub(crate) fn zone(&self) -> Result<&Zone> {
        once(&self.zone, || Ok(self.zone_origin()?.0))
    }

    /// Days of that zone, and weeks as the settings start them.
    ///
    /// # Errors
    /// As [`Context::zone`].
    pub(crate) fn calendar(&self) -> Result<Calendar<'_>> {
        let week_start = self.config()?.display.week_start.unwrap_or_default();
        Ok(Calendar::new(self.zone()?).week_from(week_start.weekday()))
    }

    /// The zone, and who says so.
    ///
    /// # Errors
    /// As [`Context::zone`].
    pub(crate) fn zone_origin(&self) -> Result<(Zone, Origin)> {
        if let Some(name) = &self.flags.tz {
            return Ok((named_zone(name, "--tz")?, Origin::Flag));
        }
        if let Some(name) = variable("AX_MONITOR_TZ") {
            return Ok((named_zone(&name, "AX_MONITOR_TZ")?, Origin::Environment));
        }
        if let Some(name) = &self.config()?.display.timezone {
            return Ok((named_zone(name, "the setting timezone")?, Origin::File));
        }
        // These two are not ours: what they say may be unreadable to us, which is no mistake here.
        if let Some(zone) = variable("TZ").and_then(|name| Zone::load(name.trim_start_matches(':')).ok()) {
            return Ok((zone, Origin::Environment));
        }
        if let Some(zone) = Zone::system() {
            return Ok((zone, Origin::System));
        }
        Ok((Zone::utc(), Origin::Default))
    }

    /// When to colour, and who says so.
    ///
    /// # Errors
    /// When the variable holds another word, or the settings are wrong.
    pub(crate) fn color_origin(&self) -> Result<(ColorChoice, Origin)> {
        if let Some(choice) = self.flags.color {
            return Ok((choice, Origin::Flag));
        }
        if let Some(word) = variable("AX_MONITOR_COLOR") {
            let choice = <ColorChoice as clap::ValueEnum>::from_str(&word, true)
                .map_err(|_| Failure::usage(format!("AX_MONITOR_COLOR is '{word}', not auto, always or never")))?;
            return Ok((choice, Origin::Environment));
        }
        Ok(match self.config()?.display.color {
            Some(Color::Auto) => (ColorChoice::Auto, Origin::File),
            Some(Color::Always) => (ColorChoice::Always, Origin::File),
            Some(Color::Never) => (ColorChoice::Never, Origin::File),
            None => (ColorChoice::Auto, Origin::Default),
        })
    }

    /// What stdout can show.
    ///
    /// # Errors
    /// As [`Context::color_origin`].
    pub(crate) fn screen(&self) -> Result<&Screen> {
        once(&self.screen, || Ok(Screen::decide(self.color_origin()?.0, self.flags.ascii, &Surroundings::look())))
    }

    /// How to draw on stdout.
    ///
    /// # Errors
    /// As [`Context::screen`].
    pub(crate) fn style(&self) -> Result<Style> {
        let screen = self.screen()?;
        let width = if screen.unlimited { WIDTH_UNLIMITED } else { screen.width };
        Ok(Style { width, color: screen.color, unicode: screen.unicode, demo: self.demo })
    }

    /// The time span of a question, from flags or the settings' default.
    ///
    /// # Errors
    /// A usage error for what is no time.
    pub(crate) fn range(&self, span: &SpanArgs) -> Result<TimeRange> {
        self.range_if_given(span)?.map_or_else(|| self.default_range(), Ok)
    }

    /// The time span as it was written, when it was written as one word or is the default.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub(crate) fn range_text(&self, span: &SpanArgs) -> Result<Option<String>> {
        if span.since.is_some() || span.until.is_some() {
            return Ok(None);
        }
        let default;
        let text = match &span.range {
            Some(text) => text.as_str(),
            None => {
                default = self.default_range_text()?.0;
                &default
            }
        };
        Ok(Some(escaped(text.trim())))
    }

    /// The time span that flags give, if any does.
    ///
    /// # Errors
    /// A usage error for what is no time.
    pub(crate) fn range_if_given(&self, span: &SpanArgs) -> Result<Option<TimeRange>> {
        if let Some(text) = &span.range {
            return self.range_of(text).map(Some);
        }
        let until = match &span.until {
            Some(text) => time::end_moment(text, self.now, &self.calendar()?)?,
            None => self.now,
        };
        match (&span.since, &span.until) {
            (None, None) => Ok(None),
            (Some(text), _) => time::between(time::moment(text, self.now, &self.calendar()?)?, until).map(Some),
            (None, Some(_)) => {
                let default = self.default_range()?;
                Ok(Some(TimeRange::new(until.minus_ms(default.millis()), until)))
            }
        }
    }

    /// The time span without flags as text, and who says so; it is checked.
    ///
    /// # Errors
    /// A usage error when the variable or the setting is no time span.
    pub(crate) fn range_origin(&self) -> Result<(String, Origin)> {
        self.default_range()?;
        self.default_range_text()
    }

    fn default_range_text(&self) -> Result<(String, Origin)> {
        if let Some(text) = variable("AX_MONITOR_RANGE") {
            return Ok((text, Origin::Environment));
        }
        Ok(match &self.config()?.display.range {
            Some(text) => (text.clone(), Origin::File),
            None => (RANGE_DEFAULT.to_owned(), Origin::Default),
        })
    }

    fn default_range(&self) -> Result<TimeRange> {
        let (text, origin) = self.default_range_text()?;
        let who = if origin == Origin::Environment { "AX_MONITOR_RANGE" } else { "the setting range" };
        self.range_of(&text).map_err(|e| Failure { message: format!("{who}: {}", e.message), ..e })
    }

    fn range_of(&self, text: &str) -> Result<TimeRange> {
        // A plain duration needs no calendar, and so no time zone.
        match text.bytes().all(|b| b.is_ascii_digit() || b"smhdwy.".contains(&b)) && !text.contains("..") {
            true => time::range(text, self.now, &Calendar::new(&Zone::utc())),
            false => time::range(text, self.now, &self.calendar()?),
        }
    }

    /// What an upkeep pass needs to know of the settings.
    ///
    /// # Errors
    /// When the settings are wrong.
    pub(crate) fn upkeep(&self) -> Result<crate::aggregator::Config> {
        let config = self.config()?;
        let (rules, bad) = crate::cli::rules::of_file(config);
        for failure in bad {
            self.warn("rule", failure.message);
        }
        let week_start = config.display.week_start.unwrap_or_default().weekday();
        let budgets = crate::cli::commands::budgets::settings(self)?;
        Ok(crate::aggregator::Config { zone: Some(self.zone()?.clone()), week_start, rules: Some(rules), budgets })
    }

    /// The store, or `None` where there is none yet.
    ///
    /// # Errors
    /// When there is something that cannot be used.
    pub(crate) fn store(&self) -> Result<Option<Store>> {
        match Store::open(&self.store_dir()?) {
            Ok(store) => Ok(Some(store.kept_open())),
            Err(OpenError::Missing { .. }) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// The store, which must be there.
    ///
    /// # Errors
    /// When it is not, or cannot be used.
    pub(crate) fn existing_store(&self) -> Result<Store> {
        Ok(Store::open(&self.store_dir()?)?)
    }

    /// Events before this are kept by nothing.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub(crate) fn oldest_kept(&self, store: Option<&Store>) -> Result<Timestamp> {
        let retention = store.map(Store::retention).transpose()?.unwrap_or_default();
        Ok(retention.oldest(self.now))
    }

    /// The store, made where there is none.
    ///
    /// # Errors
    /// When there is something that cannot be used, or the system refuses.
    pub(crate) fn writable_store(&self) -> Result<Store> {
        Ok(Store::open_or_create(&self.store_dir()?, self.zone()?, self.clock())?)
    }

    /// Writes to stdout.
    ///
    /// # Errors
    /// A closed pipe, which ends the command quietly; or the system's refusal.
    pub(crate) fn print(&self, text: &str) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| stdout_failure(&e))
    }

    /// Writes a view as JSON and a newline.
    ///
    /// # Errors
    /// As [`Context::print`].
    pub(crate) fn print_json(&self, view: &impl Serialize) -> Result<()> {
        let mut text = visible_json(serde_json::to_string(view).map_err(|e| Failure::new(Kind::Bug, e))?);
        text.push('\n');
        self.print(&text)
    }

    /// Tells a person something on stderr that is no result.
    pub(crate) fn note(&self, text: &str) {
        if !self.flags.quiet && !self.flags.json {
            // A closed stderr is no reason to fail.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// Shows a failure that does not end the command.
    pub(crate) fn complain(&self, failure: &Failure) {
        let hint = failure.hint.as_ref().map(|h| format!("\nhint: {h}")).unwrap_or_default();
        let _ = writeln!(std::io::stderr(), "error: {}{hint}", failure.message);
    }

    /// Keeps a warning: for stderr, or for the `warnings` of the JSON.
    pub(crate) fn warn(&self, code: &'static str, message: impl std::fmt::Display) {
        let mut all = self.warnings.take();
        all.push(Warning { code, message: escaped(&message.to_string()) });
        self.warnings.set(all);
    }

    /// The warnings so far, for JSON; they are not shown again.
    pub(crate) fn take_warnings(&self) -> Vec<Warning> {
        self.warnings.take()
    }

    /// Keeps the warnings of an answer that is shown as text.
    pub(crate) fn warn_all(&self, warnings: &[Warning]) {
        warnings.iter().for_each(|w| self.warn(w.code, &w.message));
    }

    /// Shows the warnings that are left on stderr.
    pub(crate) fn show_warnings(&self) {
        for warning in self.warnings.take() {
            let word = if warning.code == "note" { "note" } else { "warning" };
            let _ = writeln!(std::io::stderr(), "{word}: {}", warning.message);
        }
    }

    /// Warns when events wait for an upkeep that nobody does. They are only counted when no pass
    /// has ended for that long.
    ///
    /// # Errors
    /// Those of the store.
    pub(crate) fn warn_of_backlog(&self, store: Option<&Store>) -> Result<()> {
        let stale = |store: &&Store| store.last_tick().is_none_or(|last| self.now.since(last) > BACKLOG_MS_MAX);
        if let Some(store) = store.filter(stale) {
            self.warn_of_old(store.backlog()?.oldest);
        }
        Ok(())
    }

    /// Warns when the events before `kept_from` were asked for and are kept no more.
    pub(crate) fn warn_of_kept(&self, kept_from: Option<Timestamp>) {
        if let Some(from) = kept_from {
            self.warn(
                "retention",
                format!("single events are kept from {from} on; see `ax monitor store set-retention`"),
            );
        }
    }

    /// Warns when the earliest event that is not rolled up is too old.
    pub(crate) fn warn_of_old(&self, oldest: Option<Timestamp>) {
        let Some(age_ms) = oldest.map(|t| self.now.since(t)).filter(|age| *age > BACKLOG_MS_MAX) else {
            return;
        };
        self.warn(
            "backlog",
            format!(
                "events of the last {} wait to be rolled up and nobody does it: run `ax monitor tick`, or keep `ax monitor serve` running",
                render::ago(age_ms)
            ),
        );
    }
}

/// A failure to write to stdout; a reader that went away is none.
pub(crate) fn stdout_failure(cause: &std::io::Error) -> Failure {
    match cause.kind() {
        std::io::ErrorKind::BrokenPipe => Failure::new(Kind::ClosedPipe, "nobody reads the output"),
        // Where stdout goes is not the store's.
        _ => Failure::new(Kind::Io, format!("cannot write to stdout: {}", plain(cause))),
    }
}

/// A variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    var_os(name).and_then(|v| v.into_string().ok()).filter(|v| !v.is_empty())
}

fn base() -> Result<impl BaseStrategy> {
    etcetera::choose_base_strategy().map_err(|_| {
        Failure::new(Kind::NotFound, "there is no home directory").hint("say where the store is with --store DIR")
    })
}

fn once<T>(cell: &OnceCell<T>, make: impl FnOnce() -> Result<T>) -> Result<&T> {
    match cell.get() {
        Some(value) => Ok(value),
        None => {
            let value = make()?;
            Ok(cell.get_or_init(|| value))
        }
    }
}

fn named_zone(name: &str, origin: &str) -> Result<Zone> {
    Zone::load(name).map_err(|e| {
        let failure = Failure::usage(format!("{origin}: {e}"));
        let known: Vec<String> = jiff::tz::db().available().map(|z| z.to_string()).collect();
        match nearest(name, known.iter().map(String::as_str)) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("zones have names such as Europe/Berlin or UTC"),
        }
    })
}
