//! The settings file and what wins over it.

use insta::assert_snapshot;

use crate::world::World;

#[test]
fn a_new_home_has_no_settings_and_says_where_they_would_be() {
    let world = World::new();
    assert_snapshot!(world.run("config path"), @"
    exit 0
    --- stdout
    ~/.config/ax/monitor.toml
    ");
    assert_snapshot!(world.run("config init"), @"
    exit 0
    --- stdout
    Wrote ~/.config/ax/monitor.toml
    ");
    assert_snapshot!(world.run("config init"), @"
    exit 2
    --- stderr
    error: ~/.config/ax/monitor.toml is there already
    hint: edit it, then `ax monitor config validate`
    ");
    assert_snapshot!(world.run("config validate"), @"
    exit 0
    --- stdout
    ~/.config/ax/monitor.toml is fine
    ");
}

#[test]
fn flags_win_over_variables_over_the_file() {
    let world = World::new();
    world.write(".config/ax/monitor.toml", "[display]\ntimezone = \"Asia/Tokyo\"\nrange = \"6h\"\n");
    assert_snapshot!(world.run("config show"), @"
    exit 0
    --- stdout
    timezone    Asia/Tokyo                settings file
    week_start  monday                    default
    range       6h                        settings file
    color       auto                      default
    users       keep                      default
    ");
    let world = world.with("AX_MONITOR_TZ", "America/New_York").with("AX_MONITOR_COLOR", "never");
    assert_snapshot!(world.run("config show"), @"
    exit 0
    --- stdout
    timezone    America/New_York          environment
    week_start  monday                    default
    range       6h                        settings file
    color       never                     environment
    users       keep                      default
    ");
    assert_snapshot!(world.run("config show --tz Europe/Berlin --color always --json"), @r#"
    exit 0
    --- stdout
    {"schema":"ax.monitor.config/1","path":"~/.config/ax/monitor.toml","exists":true,"settings":[{"key":"timezone","value":"Europe/Berlin","source":"flag"},{"key":"week_start","value":"monday","source":"default"},{"key":"range","value":"6h","source":"file"},{"key":"color","value":"always","source":"flag"},{"key":"users","value":"keep","source":"default"}]}
    "#);
}

#[test]
fn tz_of_the_environment_is_believed_when_it_names_a_zone() {
    for (tz, zone) in [("Europe/Berlin", "Europe/Berlin"), (":Asia/Tokyo", "Asia/Tokyo")] {
        let shown = World::new().with("TZ", tz).run("config show").good();
        assert!(shown.contains(zone), "{shown}");
    }
    World::new().with("TZ", "CET-1CEST,M3.5.0,M10.5.0/3").run("config show").good();
}

#[test]
fn wrong_settings_are_named_with_line_and_suggestion() {
    let world = World::new();
    world.write(".config/ax/monitor.toml", "[display]\ntimezon = \"UTC\"\n");
    assert_snapshot!(world.run("config validate"), @"
    exit 2
    --- stderr
    error: ~/.config/ax/monitor.toml, line 2: unknown setting 'timezon'
    hint: did you mean timezone?
    ");
    world.write(".config/ax/monitor.toml", "[display]\ntimezone = \"Europe/Berln\"\n");
    assert_snapshot!(world.run("config validate"), @"
    exit 2
    --- stderr
    error: the setting timezone: there is no time zone 'Europe/Berln'
    hint: did you mean Europe/Berlin?
    ");
    world.write(".config/ax/monitor.toml", "[display]\nrange = \"1 fortnight\"\n");
    assert_snapshot!(world.run("config validate"), @"
    exit 2
    --- stderr
    error: the setting range: '1 fortnight' is not a duration
    hint: a unit is missing: 1m is minutes, 1h hours, 1d days
    ");
    assert_snapshot!(world.run("config show --config nowhere.toml"), @"
    exit 2
    --- stderr
    error: there is no settings file nowhere.toml
    hint: `ax monitor config init` writes one
    ");
    assert_snapshot!(world.run("config show --tz Europe/Pariss"), @"
    exit 2
    --- stderr
    error: --tz: there is no time zone 'Europe/Pariss'
    hint: did you mean Europe/Paris?
    ");
}

#[test]
fn without_a_home_the_store_must_be_named() {
    let world = World::new().with("HOME", "");
    let done = world.run("config path");
    assert!(done.code == Some(0) || done.err.contains("--store"), "{done}");
}

/// The check said that all is fine, and the next command refused the file.
#[test]
fn validating_refuses_what_other_commands_would_refuse() {
    let world = World::new();
    let budget = "[[budget]]\nname = 'a'\nlimit = 5\n";
    for (text, expected) in [
        (budget.repeat(2), "the settings have two budgets 'a'"),
        (format!("{budget}tz = 'Nope'\n"), "the setting budget 'a': "),
        (format!("{budget}scope = 'foo=1'\n"), "the setting budget 'a': "),
        ("[[rule]]\nname = 'x'\nwhen = 'latency'\n".to_owned(), "an alert condition must compare something"),
        ("[[rule]]\nwhen = 'errors > 1'\n".to_owned(), "a rule of the settings file has no name"),
        ("[prices.m]\ninput = 1\n".to_owned(), "the price of m in the settings file: a price needs input and output"),
    ] {
        world.write(".config/ax/monitor.toml", &text);
        let done = world.run("config validate");
        assert!(done.code == Some(2) && done.err.contains(expected), "{text}: {done}");
    }
}

#[test]
fn settings_are_called_as_the_flags_are() {
    let world = World::new();
    let text = "[[channel]]\nname = 'ops'\ntype = 'terminal'\n\
                [[rule]]\nname = 'a'\nwhen = 'errors > 1'\nchannel = ['ops']\n\
                [[rule]]\nname = 'b'\nwhen = 'errors > 1'\nchannels = ['ops']\n\
                [prices.\"m\"]\ninput = 1\noutput = 2\nfrom = 2025-01-01\n\
                [prices.\"n\"]\ninput = 1\noutput = 2\nfrom = \"2025-02-01\"\n";
    world.write(".config/ax/monitor.toml", text);
    world.run("config validate").good();
    let prices = world.run("prices list m --json").json();
    assert!(prices.to_string().contains("2025-01-01"), "{prices}");
    let world = world.with("AX_MONITOR_RANGE", "2d");
    assert!(world.run("config show").good().contains("range       2d                        environment"));
    let bad = world.with("AX_MONITOR_RANGE", "2 fortnights");
    let shown = bad.run("config show");
    assert!(shown.code == Some(2) && shown.err.contains("AX_MONITOR_RANGE: '2 fortnights'"), "{shown}");
    let bad = bad.with("AX_MONITOR_RANGE", "");
    bad.write(".config/ax/monitor.toml", "[retention]\nraw = '30d'\n");
    assert_snapshot!(bad.run("config validate"), @"
    exit 2
    --- stderr
    error: ~/.config/ax/monitor.toml, line 1: unknown setting 'retention'
    hint: that is kept with the store: ax monitor store set-retention raw=30d
    ");
}
