//! Every screen at several widths, with awkward names, and what holds for all of them.

use ax_storage::time::{TimeRange, Timestamp, Zone};

use super::*;
use crate::dashboard::*;
use crate::metric::{Aggregation, Metric, Money, Number, Unit};

const NOW: u64 = 1_795_511_220_000; // Tue 24 Nov 2026 10:07 CET

fn style(width: usize) -> Style {
    Style { width, color: false, unicode: true, demo: false }
}

fn window(ms: u64) -> Window {
    let now = Timestamp::from_millis(NOW);
    Window { range: TimeRange::new(now.minus_ms(ms), now), zone: Zone::load("Europe/Berlin").unwrap() }
}

fn source() -> SourceView {
    SourceView { buckets: vec![("1m", 60)], raw_events: 812, elapsed_ms: 3.1 }
}

fn total(requests: u64, errors: u64, ms: [f64; 3], cost: u128, today: u128) -> TotalView {
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
        cost: Money(cost * 10_000_000),
        cost_today: Some(Money(today * 10_000_000)),
    }
}

fn provider(name: &str, state: State, reasons: &[&str], numbers: TotalView, trend: &[f64]) -> ProviderView {
    ProviderView {
        provider: name.into(),
        state,
        reasons: reasons.iter().map(|r| (*r).to_owned()).collect(),
        numbers,
        trend: trend.iter().map(|v| Some(*v)).collect(),
    }
}

fn status_view() -> StatusView {
    let down = provider(
        "openai",
        State::Degraded,
        &["266 of 4680 calls failed"],
        total(4680, 266, [980.0, 2150.0, 4620.0], 283, 6789),
        &[1.2, 1.1, 1.3, 1.2, 1.1, 1.2, 1.4, 1.2, 1.3, 1.9, 2.2, 2.1],
    );
    StatusView {
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

fn points(n: u64, value: impl Fn(u64) -> Option<f64>) -> Vec<PointView> {
    let step = 3_600_000 / n.clamp(1, 60);
    let start = NOW - n * step;
    let point = |i| PointView {
        t: Timestamp::from_millis(start + i * step),
        value: value(i).map(Number::Float),
        count: 246,
        partial: i == 0,
    };
    (0..n).map(point).collect()
}

fn metrics_view(points: Vec<PointView>) -> MetricsView {
    let step = points.get(1).map_or(60_000, |p| p.t.since(points[0].t));
    let span = step * points.len() as u64;
    let some = |v| Some(Number::Float(v));
    MetricsView {
        generated_at: Timestamp::from_millis(NOW),
        query: "latency{provider=\"claude\"} [1h] p95 every 1m".to_owned(),
        metric: Metric::Latency,
        aggregation: Aggregation::Quantile(950_000),
        unit: Unit::Time,
        range: window(span),
        range_text: Some("1h".to_owned()),
        step_ms: Some(step),
        grouped: false,
        data: vec![RowView { labels: Labels::default(), value: some(1204.2), count: 14_760, points: Some(points) }],
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

fn grouped_view(rows: usize) -> MetricsView {
    let names =
        ["claude-sonnet-4-5", "gpt-4-turbo", "claude-haiku-4-5", "\u{1b}[31mred", "日本語モデル日本語モデル", ""];
    let row = |i: usize| RowView {
        labels: Labels(vec![("model", names.get(i).map_or_else(|| format!("m{i}").into(), |n| (*n).into()))]),
        value: Some(Number::Money(Money(189_230_000_000 / (i as u128 * i as u128 + 1)))),
        count: 14_760 / (i as u64 + 1),
        points: None,
    };
    MetricsView {
        query: "cost [1h] sum by(model)".to_owned(),
        metric: Metric::Cost,
        aggregation: Aggregation::Sum,
        unit: Unit::Money,
        step_ms: None,
        grouped: true,
        only: String::new(),
        summary: None,
        data: (0..rows).map(row).collect(),
        ..metrics_view(vec![])
    }
}

#[test]
#[ignore = "prints the screens for people to look at"]
fn look() {
    for width in [120, 80, 60, 39] {
        println!("==== {width}\n{}", status(&status_view(), &style(width)));
        println!("{}", status(&hostile_status(), &style(width)));
        println!("{}", metrics_chart(&metrics_view(wave(60)), &style(width)));
        println!("{}", metrics_table(&grouped_view(6), &style(width)));
    }
    println!("{}", metrics_table(&metrics_view(wave(20)), &style(80)));
    println!("{}", metrics_chart(&metrics_view(wave(60)), &Style { unicode: false, ..style(80) }));
    println!("{}", status(&status_view(), &Style { unicode: false, demo: true, ..style(80) }));
}
