//! `ax monitor config`: where the settings are, what is in force, a file to start from, a check.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::args::ConfigVerb;
use crate::cli::channels;
use crate::cli::commands::budgets;
use crate::cli::config::{self, TEMPLATE};
use crate::cli::context::{Context, Origin};
use crate::cli::users::Policy;
use crate::cli::{prices, rules};
use crate::error::{Failure, Result, escaped};

/// A setting in force.
#[derive(Serialize)]
struct Setting {
    key: &'static str,
    value: String,
    source: Origin,
}

#[derive(Serialize)]
struct View<'a> {
    schema: &'static str,
    path: &'a str,
    exists: bool,
    settings: Vec<Setting>,
}

/// Runs a verb of `config`.
pub(crate) fn run(verb: ConfigVerb, context: &Context) -> Result<u8> {
    let (path, _) = context.config_path()?;
    let name = escaped(&path.display().to_string());
    let (settings, text) = match verb {
        ConfigVerb::Path => (Vec::new(), format!("{name}\n")),
        ConfigVerb::Show => {
            let settings = settings(context)?;
            let text = settings.iter().map(line).collect();
            (settings, text)
        }
        ConfigVerb::Init => {
            write_template(&path)?;
            (Vec::new(), format!("Wrote {name}\n"))
        }
        ConfigVerb::Validate => {
            let settings = settings(context)?;
            let config = context.config()?;
            let wrong = channels::of_file(config, &path).1.into_iter().chain(rules::of_file(config).1).next();
            wrong.map_or(Ok(()), Err)?;
            budgets::settings(context)?;
            prices::settings(context)?;
            let text = match path.exists() {
                true => format!("{name} is fine\n"),
                false => format!("There is no {name}; the defaults hold\n"),
            };
            (settings, text)
        }
    };
    if context.json() {
        let exists = path.exists();
        context.print_json(&View { schema: "ax.monitor.config/1", path: &name, exists, settings })?;
    } else {
        context.print(&text)?;
    }
    Ok(0)
}

fn line(setting: &Setting) -> String {
    let source = match setting.source {
        Origin::Flag => "flag",
        Origin::Environment => "environment",
        Origin::File => "settings file",
        Origin::System => "system",
        Origin::Default => "default",
    };
    format!("{:<10}  {:<24}  {source}\n", setting.key, escaped(&setting.value))
}

fn settings(context: &Context) -> Result<Vec<Setting>> {
    let path = context.config_path()?.0;
    if path.exists() {
        config::load(&path)?;
    }
    let (zone, zone_source) = context.zone_origin()?;
    let (color, color_source) = context.color_origin()?;
    let color = color.to_possible_value().map(|v| v.get_name().to_owned()).unwrap_or_default();
    let (range, range_source) = context.range_origin()?;
    let week_start = context.config()?.display.week_start;
    let week_source = if week_start.is_some() { Origin::File } else { Origin::Default };
    let users = context.config()?.privacy.users;
    let users_source = if users == Policy::default() { Origin::Default } else { Origin::File };
    Ok(vec![
        Setting { key: "timezone", value: zone.name().to_owned(), source: zone_source },
        Setting { key: "week_start", value: week_start.unwrap_or_default().name().to_owned(), source: week_source },
        Setting { key: "range", value: range, source: range_source },
        Setting { key: "color", value: color, source: color_source },
        Setting { key: "users", value: users.name().to_owned(), source: users_source },
    ])
}

fn write_template(path: &Path) -> Result<()> {
    let shown = path.display();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Failure::io("make", folder.display(), &e))?;
    }
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match file.and_then(|mut file| file.write_all([TEMPLATE, channels::TEMPLATE].concat().as_bytes())) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Failure::usage(format!("{shown} is there already")).hint("edit it, then `ax monitor config validate`"))
        }
        other => other.map_err(|e| Failure::io("write", shown, &e)),
    }
}
