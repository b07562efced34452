//! Every screen at several widths, with awkward names, and what holds for all of them.

use ax_storage::time::{TimeRange, Timestamp, Zone};

use super::*;
use crate::dashboard::*;
use crate::metric::{Aggregation, Metric, Money, Number, Unit};

const NOW: u64 = 1_795_511_220_000; // Tue 24 Nov 2026 10:07 CET

pub(super) fn style(width: usize) -> Style {
    Style { width, color: false, unicode: true, demo: false }
}

pub(super) fn window(ms: u64) -> Window {
    let now = Timestamp::from_millis(NOW);
    Window { range: TimeRange::new(now.minus_ms(ms), now), zone: Zone::load("Europe/Berlin").unwrap() }
}

fn source() -> SourceView {
    SourceView { buckets: vec![("1m", 60)], raw_events: 812, elapsed_ms: 3.1 }
}

fn total(requests: u64, errors: u64, ms: [f64; 3], cost: i128, today: i128) -> TotalView {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let rate = (requests > 0).then(|| errors as f64 / requests as f64);
    let some = |v| (requests > 0).then_some(v);
    TotalView {
        requests,
        errors,
        unpriced: 0,
        error_rate: rate,
        success_rate: rate.map(|r| 1.0 - r),
        latency_ms: LatencyView { p50: some(ms[0]), p95: some(ms[1]), p99: some(ms[2]) },
        cost: Some(Money(cost * 10_000_000)),
        cost_today: Some(Money(today * 10_000_000)),
    }
}

fn provider(name: &str, state: State, reasons: &[&str], numbers: TotalView, trend: &[f64]) -> ProviderView {
    ProviderView {
        provider: name.into(),
        state,
        failing: matches!(state, State::Degraded | State::Down),
        reasons: reasons.iter().map(|r| (*r).to_owned()).collect(),
        numbers,
        trend: trend.iter().map(|v| Some(*v)).collect(),
    }
}

fn status_view() -> StatusView {
    let down = provider(
        "openai",
        State::Degraded,
        &["266 of 4,680 calls failed"],
        total(4680, 266, [980.0, 2150.0, 4620.0], 283, 6789),
        &[1.2, 1.1, 1.3, 1.2, 1.1, 1.2, 1.4, 1.2, 1.3, 1.9, 2.2, 2.1],
    );
    StatusView {
        budgets: Vec::new(),
        generated_at: Timestamp::from_millis(NOW),
        range: window(3_600_000),
        range_text: "1h".to_owned(),
        data: vec![
            provider(
                "claude",
                State::Healthy,
                &[],
                total(14_760, 118, [640.0, 1204.2, 1840.0], 192, 4523),
                &[1.0, 1.2, 1.1, 1.3, 1.2, 1.1, 1.2, 1.0, 1.1, 1.2, 1.2, 1.3],
            ),
            provider("gemini", State::Healthy, &[], total(7204, 14, [410.0, 650.0, 1100.0], 52, 1245), &[0.6; 12]),
            down,
            provider("mistral", State::Idle, &["no calls"], total(0, 0, [0.0; 3], 0, 3), &[]),
        ],
        total: total(26_644, 398, [600.0, 1420.0, 2900.0], 527, 12_560),
        trend: vec![],
        models: None,
        cache: Some(CacheView { hits: 620, misses: 380, hit_rate: Some(0.62), saved_today: Money(41_200_000_000) }),
        rate_limit: Some(RateLimitView { allowed: 9_970, denied: 30, denied_rate: Some(0.003) }),
        events: 37_644,
        newest: Some(Timestamp::from_millis(NOW - 2_000)),
        alerts: Vec::new(),
        upkeep: Upkeep { recorders: 2, dropped: vec![] },
        source: source(),
        warnings: vec![],
    }
}

/// Names that want to move the cursor, hide, or take all the room.
fn hostile_status() -> StatusView {
    let mut view = status_view();
    view.data[0].provider = "\u{1b}[2J\u{1b}]0;owned\u{7}\u{0}\u{202e}evil".into();
    view.data[1].provider = "日本語プロバイダー日本語プロバイダー日本語プロバイダー".into();
    view.data[2].provider = "👩‍👩‍👧‍👦".repeat(60).into();
    view.data[3].provider = "".into();
    view.upkeep.dropped = vec![("full".to_owned(), 12)];
    let models = ["gpt\n4\r", "x".repeat(256).as_str(), ""].map(|model| ModelView {
        provider: "a\tb".into(),
        model: model.into(),
        numbers: total(4680, 220, [980.0, 2150.0, 4620.0], 283, 6789),
        ttft_avg_ms: Some(230.0),
        tokens: 12_345_678,
        requests_per_second: Some(1.3),
        hit_rate: None,
    });
    view.models = Some(models.into());
    view
}

pub(super) fn points(n: u64, value: impl Fn(u64) -> Option<f64>) -> Vec<PointView> {
    let step = 3_600_000 / n.clamp(1, 60);
    let start = NOW - n * step;
    let point = |i| PointView {
        t: Timestamp::from_millis(start + i * step),
        value: value(i).map(|v| Number::Float(v).into()),
        previous: None,
        count: 246,
        partial: i == 0,
    };
    (0..n).map(point).collect()
}

pub(super) fn row(labels: Labels, value: Number, count: u64) -> RowView {
    RowView { labels, value: Some(value.into()), previous: None, evidence: None, count, points: None }
}

pub(super) fn metrics_view(points: Vec<PointView>) -> MetricsView {
    let step = points.get(1).map_or(60_000, |p| p.t.since(points[0].t));
    let span = step * points.len() as u64;
    let some = |v| Some(Number::Float(v));
    MetricsView {
        generated_at: Timestamp::from_millis(NOW),
        query: "latency{provider=\"claude\"} [1h] p95 every 1m".to_owned(),
        metric: Some(Metric::Latency),
        aggregation: Some(Aggregation::Quantile(950_000)),
        unit: Unit::Time.into(),
        range: window(span),
        range_text: Some("1h".to_owned()),
        step_ms: Some(step),
        grouped: false,
        previous: None,
        data: vec![RowView { points: Some(points), ..row(Labels::default(), Number::Float(1204.2), 14_760) }],
        count: 14_760,
        summary: Some(Summary {
            count: 14_760,
            avg: some(702.0),
            min: some(183.0),
            max: some(4910.0),
            p50: some(640.0),
            p95: some(1204.2),
            p99: some(1840.0),
        }),
        source: source(),
        newest: None,
        only: "provider=\"claude\"".to_owned(),
        warnings: vec![],
    }
}

#[expect(clippy::cast_precision_loss, reason = "a picture")]
fn wave(n: u64) -> Vec<PointView> {
    points(n, |i| {
        let x = i as f64 / n.max(1) as f64;
        let peak = 1400.0 * (-((x - 0.65) * 14.0).powi(2)).exp();
        (!(0.28..0.32).contains(&x)).then_some(700.0 + 200.0 * (x * 9.0).sin() + peak)
    })
}

pub(super) fn grouped_view(rows: usize) -> MetricsView {
    let names =
        ["claude-sonnet-4-5", "gpt-4-turbo", "claude-haiku-4-5", "\u{1b}[31mred", "日本語モデル日本語モデル", ""];
    let row = |i: usize| {
        let labels = Labels(vec![("model", names.get(i).map_or_else(|| format!("m{i}").into(), |n| (*n).into()))]);
        let money = Money(189_230_000_000 / (i as i128 * i as i128 + 1));
        row(labels, Number::Money(money), 14_760 / (i as u64 + 1))
    };
    MetricsView {
        query: "cost [1h] sum by(model)".to_owned(),
        metric: Some(Metric::Cost),
        aggregation: Some(Aggregation::Sum),
        unit: Unit::Money.into(),
        step_ms: None,
        grouped: true,
        only: String::new(),
        summary: None,
        data: (0..rows).map(row).collect(),
        ..metrics_view(vec![])
    }
}

fn events_view() -> EventsView {
    use ax_storage::event::{Cache, CostSource, Event, NanoUsd, Outcome, RateLimit, Request, Tokens};
    let ok = Request {
        provider: "claude",
        model: "claude-sonnet-4-5",
        user: "alice",
        latency: Some(std::time::Duration::from_micros(1_204_500)),
        ttft: Some(std::time::Duration::from_millis(310)),
        tokens: Tokens { input: 2400, output: 210, ..Tokens::default() },
        cost: Some(NanoUsd::from_nanos(10_350_000)),
        ..Request::default()
    };
    let failed = Request {
        provider: "open\u{1b}[31mai",
        model: "模型",
        user: "",
        outcome: Outcome::Error("rate\nlimited"),
        ..Request::default()
    };
    let hit = Cache { provider: "claude", hit: true, saved_cost: Some(NanoUsd::from_nanos(42)), ..Cache::default() };
    let denied = RateLimit { provider: "openai", user: "bob", ..RateLimit::default() };
    let mut batch = ax_storage::row::Batch::default();
    for (i, event) in
        [Event::Request(ok), Event::Request(failed), Event::Cache(hit), Event::RateLimit(denied)].iter().enumerate()
    {
        let t = Timestamp::from_millis(NOW - 9_000 + 2_001 * i as u64);
        batch.push(event, t, CostSource::Recorded, "");
    }
    EventsView {
        generated_at: Timestamp::from_millis(NOW),
        range: window(3_600_000),
        count: 14_760,
        events: batch.rows.iter().map(|r| EventView::of(&batch.names, r)).collect(),
        warnings: vec![],
    }
}

/// One text of a screen at several widths.
fn at_widths(widths: &[usize], draw: impl Fn(&Style) -> String) -> String {
    let one = |w: &usize| format!("==== {w} columns\n{}", draw(&style(*w)));
    widths.iter().map(one).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_status_screen() {
    insta::assert_snapshot!("status", at_widths(&[120, 80, 60, 39, 24], |s| status(&status_view(), s)));
    let plain = Style { unicode: false, demo: true, ..style(80) };
    insta::assert_snapshot!("status_ascii", status(&status_view(), &plain));
    let color = Style { color: true, ..style(80) };
    insta::assert_snapshot!("status_color", status(&status_view(), &color).replace('\u{1b}', "ESC"));
    insta::assert_snapshot!("status_line", status_line(&status_view(), &style(80)));
}

#[test]
fn the_status_screen_with_awkward_names() {
    insta::assert_snapshot!("status_hostile", at_widths(&[120, 80, 60, 39], |s| status(&hostile_status(), s)));
}

#[test]
fn metrics_as_a_chart() {
    let view = metrics_view(wave(60));
    insta::assert_snapshot!("chart", at_widths(&[120, 80, 60, 40], |s| metrics_chart(&view, s)));
    insta::assert_snapshot!("chart_ascii", metrics_chart(&view, &Style { unicode: false, ..style(80) }));
    let one = metrics_view(points(1, |_| Some(640.0)));
    insta::assert_snapshot!("chart_one_point", metrics_chart(&one, &style(60)));
    let many = metrics_view(wave(10_000));
    insta::assert_snapshot!("chart_10000_points", metrics_chart(&many, &style(80)));
    let none = metrics_view(points(3, |_| None));
    insta::assert_snapshot!("chart_no_data", metrics_chart(&none, &style(80)));
}

/// Lines that cross, one with a gap, one that ends early, and more than a chart takes.
fn lines_view(rows: usize) -> MetricsView {
    let mut view = grouped_view(rows);
    view.step_ms = Some(60_000);
    let short = |i: u64| (i < 3).then_some(2.0);
    for (n, row) in view.data.iter_mut().enumerate() {
        let shift = n as f64;
        row.points = Some(match n {
            0 => wave(60)
                .into_iter()
                .map(|p| PointView { value: p.value.map(|v| Number::Float(v.to_f64() / 400.0).into()), ..p })
                .collect(),
            1 => points(60, short),
            _ => points(60, |i| Some(shift + (i as f64 / 10.0 + shift).sin())),
        });
    }
    view
}

#[test]
fn several_lines_of_a_chart_are_told_apart_without_colour() {
    let view = lines_view(4);
    insta::assert_snapshot!("chart_lines", at_widths(&[80, 60, 40], |s| metrics_chart(&view, s)));
    insta::assert_snapshot!("chart_lines_ascii", metrics_chart(&view, &Style { unicode: false, ..style(80) }));
    let text = metrics_chart(&lines_view(12), &style(80));
    let drawn: Vec<&str> = text.lines().filter(|l| l.contains('┤')).collect();
    for letter in 'A'..='F' {
        assert!(drawn.iter().any(|l| l.contains(letter)), "{letter}: {text}");
    }
    assert!(drawn.iter().all(|l| !l.contains('G')) && text.contains("–  m11"), "{text}");
}

/// A view that is compared with the hour before: a third less of everything, and a gap.
fn compared_view() -> MetricsView {
    let mut view = metrics_view(wave(60));
    view.previous = Some(PreviousWindow { range: window(7_200_000), name: "the hour before".to_owned() });
    view.data[0].previous = Some(Previous(Some(Number::Float(1100.0))));
    for (i, point) in view.data[0].points.iter_mut().flatten().enumerate() {
        let before = point.value.map(|v| Number::Float(v.to_f64() / 1.5));
        point.previous = Some(Previous(before.filter(|_| i < 40)));
    }
    view
}

#[test]
fn metrics_beside_those_of_the_time_before() {
    let view = compared_view();
    insta::assert_snapshot!("compared", at_widths(&[80, 40], |s| metrics_chart(&view, s)));
    insta::assert_snapshot!("compared_ascii", metrics_chart(&view, &Style { unicode: false, ..style(60) }));
    let mut single = view;
    single.data[0].points = None;
    single.step_ms = None;
    insta::assert_snapshot!("compared_single", metrics_table(&single, &style(80)) + &metrics_line(&single, &style(80)));
    let mut groups = grouped_view(3);
    for (i, row) in groups.data.iter_mut().enumerate() {
        row.previous = Some(Previous((i > 0).then_some(Number::Money(Money(20_000_000_000)))));
    }
    insta::assert_snapshot!("compared_groups", at_widths(&[80, 39], |s| metrics_table(&groups, s)));
}

#[test]
fn the_catalogue() {
    let view = CatalogueView::new(Timestamp::from_millis(NOW));
    insta::assert_snapshot!("catalogue", at_widths(&[120, 80, 60, 40], |s| catalogue(&view, s)));
}

#[test]
fn metrics_as_a_table() {
    insta::assert_snapshot!("groups", at_widths(&[120, 80, 60, 39], |s| metrics_table(&grouped_view(6), s)));
    insta::assert_snapshot!("steps", at_widths(&[80, 60], |s| metrics_table(&metrics_view(wave(8)), s)));
    insta::assert_snapshot!("lines", metrics_line(&metrics_view(wave(4)), &style(80)));
    let mut trend = grouped_view(3);
    trend.step_ms = Some(60_000);
    for row in &mut trend.data {
        row.points = Some(wave(30));
    }
    insta::assert_snapshot!("groups_over_time", at_widths(&[80, 60], |s| metrics_table(&trend, s)));
    let mut single = metrics_view(vec![]);
    single.data[0].points = None;
    single.step_ms = None;
    insta::assert_snapshot!("single", metrics_table(&single, &style(80)));
}

#[test]
fn single_events() {
    insta::assert_snapshot!("events", at_widths(&[120, 80, 60], |s| events(&events_view(), s)));
}

#[test]
fn empty_screens_differ_by_their_reason() {
    use ax_storage::query::plan::{Kinds, Label};
    let now = Timestamp::from_millis(NOW);
    let caches = Kinds { requests: false, caches: true, rates: false };
    let known = Known {
        label: Label::Provider,
        asked: "Claude\u{7}".into(),
        near: Some("claude".into()),
        values: ["claude", "gemini", "openai"].map(Into::into).to_vec(),
    };
    let reasons = [
        Emptiness::NothingYet { logs: Vec::new() },
        Emptiness::NothingYet {
            logs: vec![
                FoundLogs { tool: "Claude Code", files: 2214, more: false, days: 31 },
                FoundLogs { tool: "Codex", files: 1, more: false, days: 1 },
            ],
        },
        Emptiness::NothingInRange { newest: now.minus_ms(3 * 86_400_000 + 5), in_query: false },
        Emptiness::NothingInRange { newest: now.minus_ms(60_000), in_query: true },
        Emptiness::NoMatch { known: vec![known] },
        Emptiness::NoMatch { known: vec![] },
        Emptiness::KindMissing { kinds: caches },
    ];
    let zone = Zone::utc();
    let text = reasons.map(|why| format!("---- {why:?}\n{}", empty(&why, "/home/me/store", now, &zone, &style(80))));
    insta::assert_snapshot!("empty", text.join("\n"));
}

/// What every text must hold: no line too long, nothing but newlines that could move the cursor.
fn check(text: &str, columns: usize) {
    for line in text.lines() {
        assert!(super::width(line) <= columns, "{} > {columns}: {line}\n{text}", super::width(line));
        assert_eq!(line.trim_end(), line, "no spaces at the end");
    }
    assert!(!text.chars().any(|c| c != '\n' && crate::error::escaped(&c.to_string()) != c.to_string()), "{text:?}");
}

#[test]
fn two_hundred_rows_are_all_there_and_fit() {
    for columns in [40, 60, 80, 120] {
        let text = metrics_table(&grouped_view(200), &style(columns));
        check(&text, columns);
        assert_eq!((0..200).filter(|i| *i < 6 || text.contains(&format!("m{i} "))).count(), 200);
    }
}

/// A figure of twelve digits with a unit and a day beside it was wider than a narrow screen.
#[test]
fn a_peak_too_wide_to_point_at_goes_under_the_chart() {
    let mut view = metrics_view(points(6_000, |_| Some(405_202_917_893.0)));
    view.unit = Unit::PerSecond.into();
    let text = chart::chart(&view, &style(40));
    check(&text, 40);
    assert!(text.contains("peak 405,202,917,893/s"), "{text}");
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[a-z0-9-]{0,256}",
            proptest::collection::vec(
                prop_oneof![
                    Just('\u{1b}'),
                    Just('\u{0}'),
                    Just('\u{202e}'),
                    Just('\n'),
                    Just('日'),
                    Just('👩'),
                    Just('\u{200d}'),
                    Just('\u{301}'),
                    Just('\u{fe0f}'),
                    Just('\u{9b}'),
                    Just('🇩'),
                    Just('e'),
                ],
                0..64
            )
            .prop_map(|c| c.into_iter().collect()),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn the_status_screen_fits_and_is_safe(
            names in proptest::collection::vec(name(), 1..6),
            numbers in proptest::collection::vec((0_u64..10_000_000, 0.0..600_000.0_f64, 0_i128..100_000_000), 6),
            columns in 60_usize..200,
            unicode in any::<bool>(),
            narrow in 20_usize..40,
        ) {
            let mut view = status_view();
            view.data = names.iter().zip(&numbers).map(|(name, (n, ms, cents))| {
                let total = total(*n, n / 3, [*ms, ms * 2.0, ms * 3.0], *cents, cents * 7);
                provider(name, State::Degraded, &["many calls failed"], total, &[1.0, *ms])
            }).collect();
            let style = Style { unicode, demo: true, ..style(columns) };
            let text = status(&view, &style);
            check(&text, columns);
            for (_, (n, ms, _)) in names.iter().zip(&numbers) {
                prop_assert!(text.contains(&count((*n).into())), "requests are whole");
                prop_assert!(*n == 0 || text.contains(&duration_ms(ms * 2.0)), "p95 is whole");
            }
            check(&status(&view, &Style { width: narrow, ..style }), narrow);
        }

        #[test]
        fn a_chart_fits_whatever_its_points(
            n in prop_oneof![1_u64..5, 1_u64..300, Just(10_000)],
            columns in 40_usize..200,
            scale in prop_oneof![Just(0.0), 1e-6..1e12_f64, Just(1e-300), Just(f64::MAX)],
            negative in any::<bool>(),
            compared in any::<bool>(),
            rows in 1_usize..9,
            seed in any::<u64>(),
            unicode in any::<bool>(),
            unit in prop_oneof![Just(Unit::Time), Just(Unit::Money), Just(Unit::Ratio), Just(Unit::Count), Just(Unit::PerSecond)],
        ) {
            let mut random = fastrand::Rng::with_seed(seed);
            let shift = if negative { 0.5 } else { 0.0 };
            let mut next = || (random.u8(..) > 40).then(|| (random.f64() - shift) * scale);
            let values: Vec<_> = (0..n).map(|_| next()).collect();
            let mut view = metrics_view(points(n, |i| values[usize::try_from(i).unwrap()]));
            for point in view.data[0].points.iter_mut().flatten().filter(|_| compared) {
                point.previous = Some(Previous(next().map(Number::Float)));
            }
            view.unit = unit.into();
            view.only = String::new();
            let style = Style { unicode, ..style(columns) };
            let one = view.data[0].clone();
            view.data = (0..rows).map(|_| one.clone()).collect();
            let text = chart::chart(&view, &style);
            check(&text, columns);
            prop_assert!(compared || text.is_empty() == values.iter().all(Option::is_none));
            if values.iter().flatten().all(|v| *v >= 0.0) && !compared {
                let top = values.iter().flatten().copied().fold(0.0, f64::max);
                let figures = text.lines().filter(|l| l.contains(if unicode { '┤' } else { '|' })).count();
                prop_assert!(top == 0.0 || (2..=8).contains(&figures), "an axis has a few whole figures: {}", text);
            }
            if let Some(peak) = values.iter().flatten().copied().reduce(f64::max) {
                prop_assert!(text.contains(&format!("peak {}", figure(peak, unit))), "{}", text);
            }
        }

        #[test]
        fn groups_fit_and_keep_their_figures(names in proptest::collection::vec(name(), 0..8), columns in 40_usize..200) {
            let mut view = grouped_view(names.len());
            for (row, name) in view.data.iter_mut().zip(&names) {
                row.labels.0[0].1 = name.as_str().into();
            }
            let text = metrics_table(&view, &style(columns));
            check(&text, columns);
            for row in &view.data {
                prop_assert!(text.contains(&value(row.value, &view.unit, &style(columns))));
            }
        }

        #[test]
        fn clipped_text_is_never_wider_than_asked(text in name(), columns in 0_usize..40) {
            let safe = super::super::text::name(&text);
            prop_assert!(super::super::width(&clip(&safe, columns, &style(80))) <= columns);
        }
    }
}
