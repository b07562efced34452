//! A rule's life by its commands: made, judged, seen, silenced, changed, deleted; and the JSON of each.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::world::{Done, World};

/// Half an hour of calls up to 19:15, four a minute: from 19:05 on those of openai take three seconds.
fn traffic() -> World {
    let world = World::new();
    let mut lines = String::new();
    for i in 0..120 {
        let ms = 1_763_318_700_000_u64 + i * 15_000;
        let (provider, model) = if i % 2 == 0 { ("openai", "gpt-4o") } else { ("claude", "opus") };
        let latency = if i % 2 == 0 && i >= 80 { 3000 } else { 400 };
        lines +=
            &format!("{{\"ts\":{ms},\"provider\":\"{provider}\",\"model\":\"{model}\",\"latency_ms\":{latency}}}\n");
    }
    world.write("calls.ndjson", &lines);
    world.run("import calls.ndjson --quiet").good();
    world
}

fn create(world: &World, name: &str, when: &str, more: &[&str]) -> Done {
    world.run_args(&[&["alerts", "create", "--name", name, "--when", when], more].concat())
}

fn json(world: &World, args: &str) -> Value {
    let done = world.run(&format!("{args} --json"));
    assert_eq!(done.code, Some(0), "{done}");
    let value = done.json();
    assert!(value["generated_at"].is_string() || value["done"].is_string(), "{args}: {value}");
    value
}

/// Judged at 19:00 first, then each minute up to 19:15.
fn judged() -> World {
    let world = traffic();
    create(&world, "slow", "avg(latency [2m]) by(provider) > 2s for 2m", &["--severity", "critical"]).good();
    create(&world, "idle", "requests [5m] < 1", &[]).good();
    for at in ["2025-11-16T19:00:05Z", "2025-11-16T19:15:05Z"] {
        world.run(&format!("tick --at {at}")).good();
    }
    world.with("AX_MONITOR_NOW", "2025-11-16T19:15:20Z")
}

#[test]
fn what_fires_is_listed_shown_and_noted() {
    let world = judged();
    assert_snapshot!(world.run("alerts").good(), @"
    1 firing (1 critical)                                            judged 20 s ago

    ID   SEVERITY    RULE          STATE   SINCE  VALUE               CONDITION
    9fe  ✖ critical  slow: openai  firing  8 min  avg latency 3.00 s  > 2 s for 2m

    9fe  why: 100 % of the rise is model=gpt-4o
         ax monitor alerts show 9fe | ack 9fe | silence 9fe --for 2h

    2 rules: 2 on, 0 off
    ");
    let list = json(&world, "alerts list");
    let alert = &list["data"][0];
    let id = alert["id"].as_str().unwrap().to_owned();
    let expected = json!({
        "id": id, "rule": "slow", "labels": {"provider": "openai"}, "severity": "critical", "state": "firing",
        "acknowledged": false, "comment": null, "silenced_until": null, "since": "2025-11-16T19:07:00.000Z",
        "value": 3000.0, "threshold": 2000.0, "unit": "ms", "count": 4, "chance": null, "hits": null,
        "min_events": null, "condition": "latency [2m] avg by(provider) > 2s for 2m",
    });
    assert_eq!((&list["schema"], alert), (&json!("ax.monitor.alerts/1"), &expected));
    // Whoever asks, it is the same episode.
    assert_eq!(json(&world, "alerts check")["data"][0]["id"], id.as_str());
    let shown = json(&world, &format!("alerts show {}", &id[..4]));
    assert_eq!((&shown["schema"], &shown["data"]["id"]), (&json!("ax.monitor.alert/1"), &json!(id)));
    let states: Vec<&Value> = shown["history"].as_array().unwrap().iter().map(|e| &e["state"]).collect();
    assert_eq!(states, ["pending", "firing"]);
    let history = json(&world, "alerts history");
    assert_eq!(history["schema"], "ax.monitor.alerts.history/1");
    let line = &history["data"][0];
    assert_eq!(
        (&line["t"], &line["state"], &line["id"]),
        (&json!("2025-11-16T19:09:00.000Z"), &json!("firing"), &json!(id))
    );
    assert_eq!(json(&world, "alerts history --rule idle")["data"], json!([]));
    assert_snapshot!(world.run("alerts show zzz"), @"
    exit 1
    --- stderr
    error: there is no alert 'zzz' now
    hint: ax monitor alerts lists them
    ");
}

#[test]
fn a_check_says_by_its_code_what_it_found() {
    let world = judged();
    assert_eq!(world.run("alerts check").code, Some(0));
    assert_eq!(world.run("alerts check --fail-on critical").code, Some(3));
    world.run("alerts disable slow").good();
    assert_eq!(world.run("alerts check --fail-on info").code, Some(0));
    assert_eq!(World::new().run("alerts check --fail-on info").code, Some(4));
    // Nobody judges here but the check itself: the beginning is found all the same.
    let world = traffic();
    create(&world, "slow", "avg(latency [2m]) by(provider) > 2s for 2m", &[]).good();
    let id = |world: &World| json(world, "alerts check")["data"][0]["id"].clone();
    let (first, later) = (id(&world), id(&world.with("AX_MONITOR_NOW", "2025-11-16T19:15:50Z")));
    assert!(first.is_string() && first == later, "{first} {later}");
}

#[test]
fn people_see_silence_and_hear_again() {
    let world = judged();
    let id = json(&world, "alerts")["data"][0]["id"].as_str().unwrap().to_owned();
    let done = json(&world, &format!("alerts ack {id} --comment looking"));
    assert_eq!(
        done,
        json!({"schema": "ax.monitor.alerts.done/1", "done": "acknowledged", "ids": [id], "warnings": []})
    );
    let acked = &json(&world, "alerts list --acked")["data"][0];
    assert_eq!((&acked["acknowledged"], &acked["comment"]), (&json!(true), &json!("looking")));
    let done = json(&world, &format!("alerts silence {} --for 2h --comment incident", &id[..3]));
    assert_eq!((&done["done"], &done["rule"], &done["ids"]), (&json!("silenced"), &json!("slow"), &json!([id])));
    assert_eq!(json(&world, "alerts")["data"][0]["silenced_until"], "2025-11-16T21:15:20.000Z");
    assert_snapshot!(world.run("alerts").good(), @r#"
    1 silenced                                                       judged 20 s ago

    ID   SEVERITY    RULE          STATE     SINCE  VALUE               CONDITION
    9fe  ✖ critical  slow: openai  silenced  8 min  avg latency 3.00 s  > 2 s for 2m
         until 21:15: "incident", acknowledged: "looking"

    9fe  why: 100 % of the rise is model=gpt-4o
         ax monitor alerts show 9fe | ack 9fe | silence 9fe --for 2h

    2 rules: 2 on, 0 off
    "#);
    assert_eq!(json(&world, &format!("alerts unsilence {id}"))["done"], "unsilenced");
    assert_eq!(world.run(&format!("alerts unsilence {id}")).code, Some(1));
    assert_eq!(json(&world, "alerts silence --rule slow --for 30m")["ids"], json!([]));
    assert_eq!(json(&world, "alerts")["data"][0]["silenced_until"], "2025-11-16T19:45:20.000Z");
    world.run("alerts unsilence --rule slow").good();
    let said: Vec<String> = json(&world, "alerts history")["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| format!("{} {}", e["state"].as_str().unwrap(), e["comment"].as_str().unwrap_or("-")))
        .collect();
    assert_eq!(said[..5], ["unsilenced -", "silenced -", "unsilenced -", "silenced incident", "acknowledged looking"]);
}

#[test]
fn rules_are_changed_switched_and_deleted() {
    let world = judged();
    let rule = |world: &World, name: &str| {
        let rules = json(world, "alerts rules");
        let all = rules["data"].as_array().unwrap();
        all.iter().find(|r| r["name"] == name).cloned().unwrap_or_default()
    };
    let slow = rule(&world, "slow");
    assert_eq!((&slow["enabled"], &slow["for_ms"], &slow["fired_7d"]), (&json!(true), &json!(120_000), &json!(1)));
    assert_snapshot!(world.run("alerts rules").good(), @"
    RULE      SEVERITY    CONDITION                                  CHANNELS  STATE        NOW   7 DAYS
    idle  on  ▲ warning   requests [5m] < 1                          all       inactive      20        –
    slow  on  ✖ critical  latency [2m] avg by(provider) > 2s for 2m  all       firing    3.00 s  fired 1
    ");
    assert_eq!(json(&world, "alerts disable slow")["done"], "disabled");
    world.run("tick --at 2025-11-16T19:16:05Z").good();
    assert_eq!(json(&world, "alerts")["data"], json!([]));
    let over = &json(&world, "alerts list --resolved --at 2025-11-16T19:16:20Z")["data"][0];
    assert_eq!((&over["state"], &over["end"]), (&json!("resolved"), &json!("2025-11-16T19:16:00.000Z")));
    assert_eq!(json(&world, "alerts enable slow")["done"], "enabled");
    let edit = ["alerts", "edit", "slow", "--for", "10m", "--severity", "info", "--channel", "ops", "--json"];
    let changed = world.run_args(&edit).json();
    assert_eq!(changed["done"], "changed");
    assert_eq!(
        changed["warnings"][0]["message"],
        "there is no channel 'ops' in the settings: what goes there waits until there is"
    );
    let slow = rule(&world, "slow");
    let now = (&slow["for_ms"], &slow["severity"], &slow["channels"], &slow["when"]);
    assert_eq!(now, (&json!(600_000), &json!("info"), &json!(["ops"]), &json!("latency [2m] avg by(provider) > 2s")));
    // The channel of before was told to be missing when it was named.
    world.run("alerts edit slow --name slower").good();
    assert_snapshot!(world.run("alerts delete slower"), @"
    exit 2
    --- stderr
    error: that would delete rule 'slower' (latency [2m] avg by(provider) > 2s for 10m)
    hint: add --yes to do it
    ");
    assert_eq!(json(&world, "alerts delete slower --yes")["done"], "deleted");
    assert_eq!(rule(&world, "slower"), Value::Null);
    assert_snapshot!(world.run("alerts enable slower"), @"
    exit 1
    --- stderr
    error: there is no rule 'slower'
    hint: ax monitor alerts rules lists them
    ");
    assert_snapshot!(create(&world, "bad", "avg(latncy) > 2s", &[]), @"
    exit 2
    --- stderr
    error: unknown metric 'latncy'
      |
    1 | avg(latncy) > 2s
      |     ^^^^^^ did you mean latency?
    ");
}

#[test]
fn a_test_lists_when_it_would_have_fired() {
    let world = traffic();
    let when = ["alerts", "test", "--range", "1h", "--when", "avg(latency [2m]) by(provider) > 2s for 2m"];
    let json = world.run_args(&[&when[..], &["--json"]].concat()).json();
    assert_eq!((&json["schema"], &json["minutes"]), (&json!("ax.monitor.alerts.test/1"), &json!(61)));
    let episodes = json["episodes"].as_array().unwrap();
    assert_eq!(episodes.len(), 1, "{json}");
    let e = &episodes[0];
    assert_eq!((&e["labels"], &e["start"]), (&json!({"provider": "openai"}), &json!("2025-11-16T19:09:00.000Z")));
    assert_eq!((&e["end"], &e["peak"]), (&Value::Null, &json!(3000.0)));
    assert_snapshot!(world.run_args(&when).good(), @"
    latency [2m] avg by(provider) > 2s for 2m                  would have fired once
    Sun 16 Nov 18:15 to 19:15 UTC · 61 minutes judged

    FIRED                    FOR  GROUP     PEAK  AGAINST  EVENTS
    Sun 16 Nov 19:09 UTC  6 min+  openai  3.00 s   2.00 s       4
    ");
}

#[test]
fn a_long_condition_is_shown_whole_on_a_narrow_screen() {
    let world = traffic();
    let long =
        "avg(latency{provider=\"openai\", model=\"gpt-4o\"} [2m]) > 2s AND requests{provider=\"openai\"} [5m] > 3";
    create(&world, "long", long, &[]).good();
    for args in [&["monitor", "alerts", "check"][..], &["monitor", "alerts", "rules"]] {
        let out = world.command(args).env("COLUMNS", "80").output().unwrap().stdout;
        let out = String::from_utf8(out).unwrap();
        for word in ["model=\"gpt-4o\"", "AND", "[5m]", "[5m]"] {
            assert!(out.contains(word), "{word}:\n{out}");
        }
        assert!(!out.contains('…') && out.lines().all(|line| line.chars().count() <= 80), "{out}");
    }
}

/// On a terminal `create` asks; what is typed answers.
#[cfg(target_os = "linux")]
#[test]
fn on_a_terminal_a_rule_is_made_by_answering() {
    let world = traffic();
    let out = crate::pty::typed(world.command(&["monitor", "alerts", "create"]), "1\n\n");
    for part in ["1  slow", "avg(latency) > 2000 for 5m", "in 7 days", "Which one?", "Name [slow]:", "Made rule slow"] {
        assert!(out.contains(part), "{part}:\n{out}");
    }
    let out = crate::pty::typed(world.command(&["monitor", "alerts", "create"]), "6\nerrors > 5 for 1m\nbroken\n");
    assert!(out.contains("Made rule broken: errors > 5 for 1m."), "{out}");
    let names: Vec<Value> =
        json(&world, "alerts rules")["data"].as_array().unwrap().iter().map(|r| r["name"].clone()).collect();
    assert_eq!(names, ["broken", "slow"]);
    // A name that is taken is not proposed again.
    let out = crate::pty::typed(world.command(&["monitor", "alerts", "create"]), "1\n\n");
    assert!(out.contains("Name [slow-2]:") && out.contains("Made rule slow-2"), "{out}");
    json(&world, "alerts delete slow-2 --yes");
    // Deleting asks too, and takes nothing but a yes for one.
    let out = crate::pty::typed(world.command(&["monitor", "alerts", "delete", "slow"]), "\n");
    assert!(out.contains("[y/N]") && out.contains("nothing was changed"), "{out}");
    crate::pty::typed(world.command(&["monitor", "alerts", "delete", "slow"]), "y\n");
    assert_eq!(json(&world, "alerts rules")["data"].as_array().unwrap().len(), 1);
}

/// Nothing led back to all channels: '' named one without a name, and `all` one that is called so.
#[test]
fn a_rule_goes_back_to_all_channels_by_the_word_for_it() {
    let world = traffic();
    create(&world, "slow", "avg(latency) > 2s", &["--channel", "all"]).good();
    let channels = |world: &World| json(world, "alerts rules")["data"][0]["channels"].clone();
    assert_eq!(channels(&world), json!([]));
    for all in ["all", ""] {
        world.run("alerts edit slow --channel ops --quiet");
        assert_eq!(channels(&world), json!(["ops"]));
        world.run_args(&["alerts", "edit", "slow", "--channel", all]).good();
        assert_eq!(channels(&world), json!([]), "'{all}'");
    }
    let both = world.run("alerts edit slow --channel all --channel ops");
    assert!(both.code == Some(2) && both.err.contains("leave the others out"), "{both}");
    world.write(".config/ax/monitor.toml", "[[channel]]\nname = 'all'\ntype = 'terminal'\n");
    let named_so = world.run("config validate");
    assert!(named_so.code == Some(2) && named_so.err.contains("'all' means every channel"), "{named_so}");
}

/// A rule that compares with a budget nobody has set never fired, and nothing said so.
#[test]
fn a_budget_that_is_not_there_is_told_when_a_rule_is_made_and_asked() {
    let world = traffic();
    world.run("budgets set team --limit 500").good();
    let when = "monthly_spend >= budget(\"tema\") * 0.8";
    let made = create(&world, "typo", when, &[]);
    assert_eq!(made.code, Some(0), "{made}");
    assert!(made.err.contains("there is no budget 'tema'; known: team"), "{made}");
    let asked = world.run_args(&["metrics", "-q", when]);
    assert!(asked.code == Some(2) && asked.err.contains("there is no budget 'tema'; known: team"), "{asked}");
    let checked = world.run("alerts check --fail-on info");
    assert!(checked.code == Some(4) && checked.err.contains("rule typo cannot be judged"), "{checked}");
    world.run_args(&["alerts", "edit", "typo", "--when", &when.replace("tema", "team")]).good();
}

#[test]
fn the_first_screen_says_what_is_known_of_alerts_and_fails_on_any_that_fires() {
    let world = traffic();
    create(&world, "busy", "requests > 1", &["--severity", "critical"]).good();
    create(&world, "calls", "requests{provider=\"claude\"} > 1", &[]).good();
    world.run("tick").good();
    let status = world.run("status").good();
    assert!(status.contains("▲ claude") && !status.contains('!'), "no errors: {status}");
    assert!(status.contains("metrics latency --provider claude"), "{status}");
    for severity in ["warning", "critical"] {
        assert_eq!(world.run(&format!("status --fail-on {severity}")).code, Some(3), "{severity}");
        let other = format!("status --provider openai --fail-on {severity}");
        assert_eq!(world.run(&other).code, Some(3), "of all providers: {severity}");
    }
    world.run("alerts disable busy").good();
    assert_eq!(world.run("status --provider openai --fail-on warning").code, Some(0));
    let id = json(&world, "alerts list")["data"][0]["id"].as_str().unwrap().to_owned();
    world.run(&format!("alerts ack {id}")).good();
    assert!(world.run("status").good().contains("acked, firing"));
    assert!(world.run("status --format line").good().contains("warning, acked, requests"));
    world.run(&format!("alerts silence {id} --for 2h")).good();
    assert!(world.run("status").good().contains("silenced, firing"));
}

/// What no pass has noted yet has no id that other commands know.
#[test]
fn a_check_offers_only_what_the_other_commands_can_do() {
    let world = traffic();
    create(&world, "busy", "requests > 1", &[]).good();
    assert_snapshot!(world.run("alerts check").good(), @"
    1 firing (1 warning)                                            judged 1 min ago

    ID  SEVERITY   RULE  STATE    SINCE  VALUE        CONDITION
    –   ▲ warning  busy  firing  29 min  requests 20  > 1

    No pass has noted it yet: ax monitor tick does, and gives it an id.

    1 rule: 1 on, 0 off
    ");
    world.run("tick").good();
    let id = json(&world, "alerts")["data"][0]["id"].as_str().unwrap().to_owned();
    assert!(world.run("alerts check").good().contains(&format!("alerts show {}", &id[..3])));
    // The next pass goes on from where the last one was, however long that is ago and whatever was missed before.
    let later = world.with("AX_MONITOR_NOW", "2025-11-16T21:50:20Z");
    create(&later, "quiet", "requests < 1", &[]).good();
    later.run("tick --at 2025-11-16T20:40:20Z").good();
    let checked = json(&later, "alerts check");
    let find = |list: &Value| list["data"].as_array().unwrap().iter().find(|a| a["rule"] == "quiet").cloned().unwrap();
    later.run("tick").good();
    assert_eq!(find(&checked)["id"], find(&json(&later, "alerts"))["id"]);
}

/// A pass judges and delivers nothing; who has no `serve` waited for messages without a word.
#[test]
fn a_pass_says_what_waits_for_a_delivery() {
    let world = traffic();
    world.write(".config/ax/monitor.toml", "[[channel]]\nname = 'pager'\ntype = 'command'\ncommand = ['true']\n");
    create(&world, "busy", "requests > 1", &[]).good();
    let done = world.run("tick");
    assert!(done.err.contains("1 message waits for a channel: `ax monitor serve` delivers"), "{done}");
    assert_eq!(json(&world, "alerts channels")["data"][0]["waiting"], 1);
}
