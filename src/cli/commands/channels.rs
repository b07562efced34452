//! `ax monitor alerts channels`: where alerts go, and a message to try one.

use std::sync::atomic::AtomicBool;

use ax_storage::clock::Stopwatch;
use serde::Serialize;

use crate::alerts::notify::{Channel, ChannelKind, LIMIT, Message, lines, send, standings};
use crate::cli::args::{ChannelsArgs, ChannelsVerb};
use crate::cli::channels;
use crate::cli::context::Context;
use crate::dashboard::ChannelsView;
use crate::error::{Failure, Kind, Result, escaped};
use crate::render;
use crate::words::nearest;

/// How a test went.
#[derive(Serialize)]
struct TestView<'a> {
    schema: &'static str,
    generated_at: String,
    channel: &'a str,
    delivered: bool,
    elapsed_ms: u64,
}

/// Does what is asked.
pub(crate) fn run(args: &ChannelsArgs, context: &Context) -> Result<u8> {
    let file = context.config_path().map(|(path, _)| path).unwrap_or_default();
    let (channels, bad) = channels::of_file(context.config()?, &file);
    match &args.verb {
        None => list(&channels, bad, context),
        Some(ChannelsVerb::Test { name }) => {
            // One that is wrong says why, rather than that it is not there.
            let mark = format!(": channel {}: ", escaped(name));
            if let Some(failure) = bad.into_iter().find(|failure| failure.message.contains(&mark)) {
                return Err(failure);
            }
            test(name, &channels, context)
        }
    }
}

/// The channels of the settings and how they stand; those that are wrong are left out.
pub(super) fn standing(context: &Context) -> Result<ChannelsView> {
    let file = context.config_path().map(|(path, _)| path).unwrap_or_default();
    view(&channels::of_file(context.config()?, &file).0, context)
}

/// Warns of names that no channel of the settings has.
pub(super) fn warn_of_missing(names: &[String], context: &Context) -> Result<()> {
    let file = context.config_path().map(|(path, _)| path).unwrap_or_default();
    let there = channels::of_file(context.config()?, &file).0;
    for name in names.iter().filter(|name| there.iter().all(|channel| channel.name != **name)) {
        let message = "in the settings: what goes there waits until there is";
        context.warn("channel", format!("there is no channel '{name}' {message}"));
    }
    Ok(())
}

fn view(channels: &[Channel], context: &Context) -> Result<ChannelsView> {
    let standings = match context.store()? {
        Some(store) => standings(&store)?,
        None => Default::default(),
    };
    Ok(ChannelsView::new(channels, standings, context.now()))
}

fn list(channels: &[Channel], bad: Vec<Failure>, context: &Context) -> Result<u8> {
    for failure in bad {
        context.warn("channel", failure.message);
    }
    let mut view = view(channels, context)?;
    if context.json() {
        view.warnings = context.take_warnings();
        context.print_json(&view)?;
    } else {
        context.print(&render::channels(&view, context.now(), context.zone()?, &context.style()?))?;
    }
    Ok(0)
}

fn test(name: &str, channels: &[Channel], context: &Context) -> Result<u8> {
    let channel = channels.iter().find(|channel| channel.name == name).ok_or_else(|| {
        let failure = Failure::new(Kind::NotFound, format!("there is no channel '{name}'"));
        match nearest(name, channels.iter().map(|channel| channel.name.as_str())) {
            Some(near) => failure.hint(format!("did you mean {near}?")),
            None => failure.hint("ax monitor alerts channels lists them"),
        }
    })?;
    let watch = Stopwatch::start();
    let message = Message::test(name, context.clock());
    match channel.kind {
        ChannelKind::Terminal if context.json() => {}
        ChannelKind::Terminal => context.print(&(lines(&message).join("\n") + "\n"))?,
        _ => send(channel, &message, context.clock(), LIMIT, &AtomicBool::new(false))
            .map_err(|e| Failure::new(Kind::Undelivered, format!("{name}: {e}")))?,
    }
    let elapsed_ms = u64::try_from(watch.elapsed().as_millis()).unwrap_or(u64::MAX);
    if context.json() {
        let generated_at = context.now().to_string();
        let schema = "ax.monitor.channels_test/1";
        context.print_json(&TestView { schema, generated_at, channel: name, delivered: true, elapsed_ms })?;
    } else {
        context.print(&format!("{name}: a test message was delivered to {}\n", escaped(&channel.target())))?;
    }
    Ok(0)
}
