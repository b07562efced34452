//! Where alerts go, whether they arrive, and a message to try it.

use insta::assert_snapshot;

use crate::receiver::Receiver;
use crate::world::World;

const SETTINGS: &str = ".config/ax/monitor.toml";

fn world(channels: &str) -> World {
    let world = World::new();
    world.write(SETTINGS, channels);
    world
}

#[test]
fn a_test_arrives_marked_or_ends_with_6() {
    let (good, bad) = (Receiver::start(Some("200 OK")), Receiver::start(Some("403 Forbidden")));
    let world = world(&format!(
        "[[channel]]\nname = 'ops'\ntype = 'webhook'\nurl = '{}'\n\
         [[channel]]\nname = 'bad'\ntype = 'slack'\nurl = '{}?key=hunter2'\n\
         [[channel]]\nname = 'run'\ntype = 'command'\ncommand = ['sh', '-c', 'cat > got; echo no pager >&2; exit 3']\n\
         [[channel]]\nname = 'here'\ntype = 'terminal'\n\
         [[channel]]\nname = 'wrong'\ntype = 'webhook'\nurl_env = 'NOT_SET'\n",
        good.url, bad.url
    ));
    let done = world.run("alerts channels test ops");
    let origin = good.url.trim_end_matches("/hook");
    assert_eq!(done.good(), format!("ops: a test message was delivered to {origin}\n"));
    let body = &good.bodies()[0];
    assert_eq!((&body["test"], &body["alerts"][0]["labels"]["alertname"]), (&true.into(), &"test".into()), "{body}");
    assert_eq!(world.run("alerts channels test ops --json").json()["delivered"], true);
    let done = world.run("alerts channels test bad");
    assert_eq!((done.code, done.err.as_str()), (Some(6), "error: bad: the receiver answered 403\n"));
    assert!(bad.bodies()[0]["text"].as_str().unwrap().starts_with("[TEST] "));
    let done = world.run("alerts channels test bad --json");
    assert_eq!((done.code, &done.json()["error"]["kind"]), (Some(6), &"undelivered".into()));
    assert!(!done.to_string().contains("hunter2"));
    let done = world.run("alerts channels test run");
    assert_eq!((done.code, done.err.as_str()), (Some(6), "error: run: sh ended with code 3: no pager\n"));
    assert!(std::fs::read_to_string(world.path("got")).unwrap().contains("\"test\":true"));
    assert!(world.run("alerts channels test here").good().starts_with("[TEST] FIRING info: test"));
    assert_snapshot!(world.run("alerts channels test oops"), @"
    exit 1
    --- stderr
    error: there is no channel 'oops'
    hint: did you mean ops?
    ");
    assert_snapshot!(world.run("alerts channels test wrong"), @"
    exit 2
    --- stderr
    error: ~/.config/ax/monitor.toml, line 16: channel wrong: the variable NOT_SET of url_env is not set
    ");
}

#[test]
fn without_channels_it_says_how_to_make_one() {
    assert_snapshot!(World::new().run("alerts channels"), @"
    exit 0
    --- stdout
    No channels: what fires is printed by serve only. `ax monitor config path` says
    where to add a [[channel]]; `config init` writes examples.
    ");
    let json = World::new().run("alerts channels --json").json();
    assert_eq!((&json["schema"], &json["data"]), (&"ax.monitor.channels/1".into(), &serde_json::json!([])));
}

#[test]
fn the_list_says_how_deliveries_went() {
    use ax_monitor::alerts::notify::{Pace, claim, enqueue, settle};
    use ax_monitor::alerts::{Notification, Severity, Told};
    let world = world(
        "[[channel]]\nname = 'ops-webhook'\ntype = 'webhook'\nurl = 'https://hooks.example.com/services/hunter2'\n\
         [[channel]]\nname = 'mail'\ntype = 'email'\nhost = 'smtp.example.com'\nfrom = 'a@example.com'\nto = 'ops@example.com'\n\
         [[channel]]\nname = 'pager'\ntype = 'command'\ncommand = ['/usr/local/bin/page', '--urgent']\n",
    );
    world.run("import calls.ndjson");
    let now = ax_monitor::Timestamp::from_millis(1_763_320_500_000);
    let dir = world.path(".local/share/ax/monitor");
    let store = ax_storage::Store::open_or_create(&dir, &ax_storage::time::Zone::utc(), now).unwrap();
    let notification = |channels: &[&str]| Notification {
        id: "a3f".into(),
        rule: "slow".into(),
        labels: Vec::new(),
        severity: Severity::Warning,
        state: Told::Firing,
        value: None,
        threshold: None,
        unit: "ms".into(),
        condition: "latency p95 > 2s".into(),
        since_ms: now.millis(),
        at_ms: now.millis(),
        reason: None,
        channels: channels.iter().map(|c| (*c).to_owned()).collect(),
    };
    let early = now.minus_ms(900_000);
    let all = [notification(&["ops-webhook", "mail", "old"])];
    store.write_tables(|t| enqueue(t, &all, early)).unwrap();
    let pace = Pace::default();
    let claim = claim(&store, &["mail", "ops-webhook"], &pace, early).unwrap();
    let (mail, ops) = (&claim.batches[0], &claim.batches[1]);
    settle(&store, mail, Err("smtp.example.com: the server answered 451"), &pace, 0.5, now.minus_ms(5_000)).unwrap();
    settle(&store, ops, Ok(()), &pace, 0.5, early).unwrap();
    for width in ["60", "80", "120"] {
        let world = world.command(&["monitor", "alerts", "channels"]).env("COLUMNS", width).output().unwrap();
        let out = String::from_utf8(world.stdout).unwrap();
        assert!(!out.contains("hunter2"), "{out}");
        match width {
            "60" => assert_snapshot!(out, @"
    CHANNEL     TYPE    STATE                LAST       WAITING
    ops-webhook webhook ok                   15 min ago       0
    mail        email   ▲ failing, retry 2/5 –                1
    pager       command not used yet         –                0
    old         –       ✖ not set up         –                1
    mail: smtp.example.com: the server answered 451 at Sun 16
      Nov 19:14 UTC · next try Sun 16 Nov 19:15 UTC
    old: a rule names it, the settings do not; what waits goes
      after a day
    "),
            "80" => assert_snapshot!(out, @"
    CHANNEL      TYPE     STATE                 DELIVERED  LAST        WAITING
    ops-webhook  webhook  ok                            1  15 min ago        0
    mail         email    ▲ failing, retry 2/5          0  –                 1
    pager        command  not used yet                  0  –                 0
    old          –        ✖ not set up                  0  –                 1
    mail: smtp.example.com: the server answered 451 at Sun 16 Nov 19:14 UTC · next
      try Sun 16 Nov 19:15 UTC
    old: a rule names it, the settings do not; what waits goes after a day
    "),
            _ => assert_snapshot!(out, @"
    CHANNEL      TYPE     STATE                 DELIVERED  LAST        WAITING  TO
    ops-webhook  webhook  ok                            1  15 min ago        0  https://hooks.example.com
    mail         email    ▲ failing, retry 2/5          0  –                 1  ops@example.com
    pager        command  not used yet                  0  –                 0  /usr/local/bin/page
    old          –        ✖ not set up                  0  –                 1  –
    mail: smtp.example.com: the server answered 451 at Sun 16 Nov 19:14 UTC · next try Sun 16 Nov 19:15 UTC
    old: a rule names it, the settings do not; what waits goes after a day
    "),
        }
    }
    let alerts = world.run("alerts").good();
    for part in
        ["channels: ops-webhook ok 19:00 · mail ▲ failing, retry 2/5", "pager not used yet", "makes one", "tries one."]
    {
        assert!(alerts.contains(part), "{part}: {alerts}");
    }
    let json = world.run("alerts channels --json").json();
    let mail = &json["data"][1];
    assert_eq!(
        (&mail["state"], &mail["tries"], &mail["tries_max"]),
        (&"failing".into(), &1.into(), &5.into()),
        "{json}"
    );
    assert_eq!(json["data"][3]["state"], "missing");
}
