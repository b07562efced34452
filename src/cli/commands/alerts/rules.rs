//! `alerts rules`, `create`, `edit`, `delete`, `enable`, `disable`.

use std::io::{BufRead, Write};

use super::{Desk, done};
use crate::alerts::{self, Rule, Severity, manage};
use crate::cli::agree::agree;
use crate::cli::args::RuleArgs;
use crate::cli::commands::channels::warn_of_missing;
use crate::cli::context::Context;
use crate::cli::rules::RuleTable;
use crate::dashboard::{RuleView, RulesView};
use crate::error::{Failure, Kind, Result};
use crate::render;

/// Ready rules that `create` offers: name, condition, severity.
pub(super) const READY: [(&str, &str, Severity); 5] = [
    ("slow", "avg(latency) > 2000 for 5m", Severity::Warning),
    ("errors", "error_rate > baseline * 3 for 1m", Severity::Critical),
    ("budget", "monthly_spend >= budget * 0.8", Severity::Warning),
    ("cache", "hit_rate < 50% for 30m", Severity::Info),
    ("limits", "denied / (allowed + denied) > 5%", Severity::Warning),
];

/// Lists all rules with how they stand now.
pub(super) fn list(context: &Context) -> Result<u8> {
    let desk = Desk::open(context)?;
    let mut view = RulesView { generated_at: context.now(), data: Vec::new(), warnings: Vec::new() };
    if let Some(desk) = &desk {
        let history = desk.week(context)?;
        let rules: Vec<Rule> = desk.board.rules.iter().map(|s| s.rule.clone()).filter(|r| r.enabled).collect();
        let judged = desk.judging(|around| alerts::check(&desk.store, &rules, around, context.now()));
        for stored in &desk.board.rules {
            let now = judged.get(&stored.rule.name);
            let worst = now.and_then(|r| r.as_ref().ok()).and_then(|all| all.first()).map(|one| &one.evidence);
            let mut rule = RuleView::of(stored, &desk.board, &history, worst, context.now().millis());
            if let Some(Err(why)) = now {
                rule.problem = Some(why.clone());
            }
            view.data.push(rule);
        }
    }
    if context.json() {
        view.warnings = context.take_warnings();
        context.print_json(&view)?;
    } else {
        context.print(&render::alert_rules(&view, &context.style()?))?;
    }
    Ok(0)
}

impl RuleArgs {
    fn table(&self) -> RuleTable {
        RuleTable {
            name: self.name.clone().unwrap_or_default(),
            when: self.when.clone().unwrap_or_default(),
            hold: self.hold.clone(),
            keep_firing_for: self.keep_firing_for.clone(),
            severity: self.severity.map(|s| s.severity().word().to_owned()),
            channels: (!self.channel.is_empty()).then(|| self.channel.clone()),
            min_events: self.min_events,
            renotify: self.renotify.clone(),
            enabled: None,
            tz: self.zone.clone(),
        }
    }

    fn is_empty(&self) -> bool {
        self.table() == RuleTable::default()
    }
}

/// Makes a rule.
pub(super) fn create(args: &RuleArgs, context: &Context) -> Result<u8> {
    let mut table = args.table();
    if args.is_empty() {
        if !(context.interactive() && std::io::IsTerminal::is_terminal(&std::io::stdin())) {
            return Err(Failure::usage("a rule needs --name and --when")
                .hint("ax monitor alerts create --name slow --when 'avg(latency) > 2000 for 5m'"));
        }
        table = ask(context)?;
    }
    if table.name.is_empty() || table.when.is_empty() {
        let what = if table.name.is_empty() { "--name" } else { "--when" };
        return Err(Failure::usage(format!("a rule needs {what}"))
            .hint("ax monitor alerts create --name slow --when 'avg(latency) > 2s'"));
    }
    let rule = table.rule()?;
    let desk = Desk::make(context)?;
    if desk.board.rule(&rule.name).is_some() {
        return Err(Failure::usage(format!("there is a rule '{}' already", rule.name))
            .hint(format!("ax monitor alerts edit {} changes it", rule.name)));
    }
    manage::put(&desk.store, &rule)?;
    warn_of_what_waits(&desk, &rule, &rule.channels, context)?;
    let sentence = format!(
        "Made rule {}: {}. `serve`, `tick` or `Monitor` judge it every minute.",
        rule.name,
        rule.condition_text()
    );
    done(context, "created", Some(&rule.name), Vec::new(), &sentence)
}

/// Warns of what a rule names and is not there: `channels`, a budget.
fn warn_of_what_waits(desk: &Desk, rule: &Rule, channels: &[String], context: &Context) -> Result<()> {
    warn_of_missing(channels, context)?;
    let minute = alerts::minute_of(context.now());
    if let Err(why) = desk.judging(|around| alerts::judge(&desk.store, rule, around, minute)) {
        context.warn("rule", format!("rule {} cannot be judged: {why}", rule.name));
    }
    Ok(())
}

/// Asks which rule to make.
fn ask(context: &Context) -> Result<RuleTable> {
    let desk = Desk::open(context)?;
    context.note("Ready rules:");
    for (i, (name, when, severity)) in READY.iter().enumerate() {
        let told = desk.as_ref().map(|d| tried(d, name, when, context)).transpose()?.unwrap_or_default();
        context.note(&format!("  {}  {name:8} {when:36} {:8}  {told}", i + 1, severity.word()));
    }
    context.note(&format!("  {}  a condition of your own", READY.len() + 1));
    let number: usize = line("Which one? ")?.trim().parse().unwrap_or(0);
    let (name, when, severity) = match number.checked_sub(1) {
        Some(i) if i < READY.len() => {
            let (name, when, severity) = READY[i];
            (free_name(name, desk.as_ref()), when.to_owned(), severity)
        }
        Some(i) if i == READY.len() => (String::new(), line("Condition: ")?, Severity::Warning),
        _ => return Err(Failure::usage(format!("that is none of 1 to {}", READY.len() + 1))),
    };
    let shown = if name.is_empty() { String::new() } else { format!(" [{name}]") };
    let typed = line(&format!("Name{shown}: "))?;
    let name = if typed.trim().is_empty() { name } else { typed.trim().to_owned() };
    Ok(RuleTable {
        name,
        when: when.trim().to_owned(),
        severity: Some(severity.word().to_owned()),
        ..RuleTable::default()
    })
}

/// The name, with a number behind it when a rule has it already.
fn free_name(name: &str, desk: Option<&Desk>) -> String {
    let taken = |name: &str| desk.is_some_and(|desk| desk.board.rule(name).is_some());
    let numbered = (2..).map(|n| format!("{name}-{n}"));
    std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
}

/// `now 840 ms, would have fired 3 times in 7 days`.
fn tried(desk: &Desk, name: &str, when: &str, context: &Context) -> Result<String> {
    let Ok(rule) = Rule::new(name, when) else { return Ok(String::new()) };
    super::check::tried(desk, &rule, context)
}

fn line(question: &str) -> Result<String> {
    let mut err = std::io::stderr();
    // Who cannot see the question cannot answer it: reading says what there is to say.
    let _ = write!(err, "{question}").and_then(|()| err.flush());
    let mut text = String::new();
    let read = std::io::stdin().lock().read_line(&mut text).map_err(|e| Failure::io("read", "stdin", &e))?;
    if read == 0 {
        return Err(Failure::usage("nothing was answered"));
    }
    Ok(text.trim_end_matches(['\n', '\r']).to_owned())
}

/// Changes a rule.
pub(super) fn edit(name: &str, args: &RuleArgs, context: &Context) -> Result<u8> {
    if args.is_empty() {
        return Err(Failure::usage("say what to change").hint(format!("ax monitor alerts edit {name} --for 10m")));
    }
    let desk = Desk::needed(context)?;
    let mut rule = own(&desk, name)?.clone();
    let table = args.table();
    table.apply(&mut rule)?;
    if !table.name.is_empty() && table.name != rule.name {
        if desk.board.rule(&table.name).is_some() {
            return Err(Failure::usage(format!("there is a rule '{}' already", table.name)));
        }
        let renamed = Rule::new(&table.name, &rule.condition).map_err(Failure::usage)?;
        rule.name = renamed.name;
        manage::delete(&desk.store, name)?;
    }
    manage::put(&desk.store, &rule)?;
    let named = if args.channel.is_empty() { &[][..] } else { &rule.channels };
    warn_of_what_waits(&desk, &rule, named, context)?;
    done(context, "changed", Some(&rule.name), Vec::new(), &format!("Rule {}: {}.", rule.name, rule.condition_text()))
}

/// Deletes a rule.
pub(super) fn delete(name: &str, yes: bool, context: &Context) -> Result<u8> {
    let desk = Desk::needed(context)?;
    let rule = own(&desk, name)?;
    if !yes {
        agree(&format!("delete rule '{name}' ({})", rule.condition_text()), context)?;
    }
    manage::delete(&desk.store, name)?;
    done(context, "deleted", Some(name), Vec::new(), &format!("Deleted rule {name}."))
}

/// Switches a rule on or off.
pub(super) fn switch(name: &str, on: bool, context: &Context) -> Result<u8> {
    let desk = Desk::needed(context)?;
    let rule = Rule { enabled: on, ..own(&desk, name)?.clone() };
    manage::put(&desk.store, &rule)?;
    let word = if on { "on" } else { "off" };
    done(context, if on { "enabled" } else { "disabled" }, Some(name), Vec::new(), &format!("Rule {name} is {word}."))
}

/// A rule that commands may change.
fn own<'d>(desk: &'d Desk, name: &str) -> Result<&'d Rule> {
    let rule = desk.rule(name)?;
    match desk.board.rule(name) {
        Some(stored) if stored.from_file => {
            Err(Failure::new(Kind::Usage, format!("rule {name} is in the settings file")).hint("change it there"))
        }
        _ => Ok(rule),
    }
}
