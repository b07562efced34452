//! Projections of a series from a file or stdin.

use insta::assert_snapshot;

use crate::world::World;

/// Five weeks of days up to yesterday: weekdays above weekends, a little growth.
fn spend() -> String {
    let day = |i: u32| {
        format!("2025-{:02}-{:02},{}\n", 10 + (i + 11) / 31, (i + 11) % 31 + 1, if i % 7 < 2 { 4 } else { 15 + i / 7 })
    };
    std::iter::once("ts,value\n".to_owned()).chain((0..35).map(day)).collect()
}

#[test]
fn a_series_is_projected_with_bounds() {
    let world = World::new();
    world.write("spend.csv", &spend());
    assert_snapshot!(world.run("forecast --input spend.csv --horizon 3"), @"
    exit 0
    --- stdout
    FORECAST  next 3 days                                    from 35 days of history

    Total     28.0   80 % range 25.0–33.0
    Linear    39.9   the plain average drawn out
    Past      ▂▂▇▇▇▇▇▂▂▇▇▇▇▇▂▂█████▂▂█████▂▂█████
    Ahead     ▃▃█

    DAY              ESTIMATE   LOW  HIGH
    Sun 16 Nov 2025      5.09  4.15  6.44
    Mon 17 Nov 2025      5.07  4.11  6.43
    Tue 18 Nov 2025      17.9  14.7  22.4
    ");
    let json = world.feed("forecast --input - --horizon 3 --json", spend().as_bytes()).json();
    assert_eq!(json["status"], "ok");
    assert_eq!(json["points"].as_array().unwrap().len(), 3);
    assert_eq!(json["points"][0]["t"], "2025-11-16T00:00:00.000Z");
    for bounds in [&json["total"], &json["points"][2]] {
        let figure = |name: &str| bounds[name].as_f64().unwrap();
        assert!(figure("low") < figure("estimate") && figure("estimate") < figure("high"));
    }
    assert!(!world.path(".local").exists(), "no store was made");
}

#[test]
fn a_short_history_has_no_bounds() {
    let world = World::new();
    let done = world.feed("forecast --input - --horizon 2 --json", b"2025-11-14,1\n2025-11-15,2\n");
    assert_snapshot!(done, @r#"
    exit 0
    --- stdout
    {"schema":"ax.monitor.forecast/1","total":{"estimate":3.0,"low":null,"high":null},"points":[{"t":"2025-11-16T00:00:00.000Z","estimate":1.5,"low":null,"high":null},{"t":"2025-11-17T00:00:00.000Z","estimate":1.5,"low":null,"high":null}],"status":"insufficient_history","linear":3.0,"history":2,"warnings":[]}
    "#);
    let done = world.feed("forecast --input - --horizon 2 --ascii", b"2025-11-14,1\n2025-11-15,2\n");
    assert_snapshot!(done, @"
    exit 0
    --- stdout
    FORECAST  next 2 days                                     from 2 days of history

    Total     3
    The plain average drawn out: bounds take 3 days of history
    Past      :#
    Ahead     ++

    DAY              ESTIMATE  LOW  HIGH
    Sun 16 Nov 2025      1.50    -     -
    Mon 17 Nov 2025      1.50    -     -
    ");
}

#[test]
fn what_cannot_be_projected_says_why() {
    let world = World::new();
    world.write("gap.csv", "ts,value\n2025-11-14,1\n2025-11-16,2\n");
    assert_snapshot!(world.run("forecast --input gap.csv --horizon 2"), @"
    exit 2
    --- stderr
    error: gap.csv, line 3: 2025-11-16T00:00:00Z is not one day after the line before: 2025-11-15T00:00:00Z is missing
    hint: write one line for each day, with 0 where there was nothing
    ");
    assert_snapshot!(world.run("forecast --input none.csv --horizon 2 --json"), @r#"
    exit 1
    --- stdout
    {"error":{"kind":"not_found","message":"there is no file none.csv","hint":null,"start":null,"end":null}}
    "#);
    assert_snapshot!(world.feed("forecast --input - --horizon 2", b"2025-11-14,1\n\xff\xfe\n"), @"
    exit 2
    --- stderr
    error: stdin: line 2 is not UTF-8 text
    hint: write lines of ts,value
    ");
    assert_snapshot!(world.run("forecast --input gap.csv --horizon 0"), @"
    exit 2
    --- stderr
    error: invalid value '0' for '--horizon <N>': 0 is not in 1..=9600

    For more information, try '--help'.
    ");
}
