//! What holds for any tree and any text.
//!
//! Random trees are printed, read and compared; random texts (of bytes, and of pieces of the
//! language in random order) must give a tree or an error with a place inside the text, on a thread
//! with a small stack, and be dropped, cloned, compared and printed there.

use ax_storage::query::plan::Label;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::metric::{Aggregation, Metric};
use crate::query::ast::*;
use crate::query::parser::{parse_condition_syntax, parse_syntax};
use crate::query::{Pattern, SOURCE_MAX, Span, parse, parse_condition, parse_filter};

const NOWHERE: Span = Span { start: 0, end: 0 };

fn at<T>(value: T) -> At<T> {
    At { value, span: NOWHERE }
}

fn maybe<S: Strategy + 'static>(s: S) -> impl Strategy<Value = Option<At<S::Value>>>
where
    S::Value: Clone,
{
    prop_oneof![3 => Just(None), 1 => s.prop_map(|v| Some(at(v)))]
}

fn num() -> impl Strategy<Value = Num> {
    let figure = prop_oneof![
        (0_u32..10_000).prop_map(f64::from),
        (0_u32..10_000_000).prop_map(|n| f64::from(n) / 1000.0),
        any::<f64>().prop_filter_map("finite", |v| v.is_finite().then_some(v.abs())),
    ];
    prop_oneof![
        figure.clone().prop_map(Num::Plain),
        figure.clone().prop_map(Num::Money),
        figure.prop_map(Num::Percent),
        (0_u64..=36_500 * 86_400_000_000_000).prop_map(Num::Duration),
    ]
}

fn millis() -> impl Strategy<Value = u64> {
    prop_oneof![(1_u64..10_000).prop_map(|n| n * 60_000), 1..=36_500_u64 * 86_400_000].prop_map(|ms| ms * 1_000_000)
}

fn label() -> impl Strategy<Value = Label> {
    proptest::sample::select(Label::ALL.to_vec())
}

fn texts() -> impl Strategy<Value = Box<str>> {
    prop_oneof!["[a-z0-9.:@/_+-]{0,12}", "\\PC{0,8}", any::<String>()]
        .prop_map(|s| s.chars().take(20).collect::<String>().into())
}

fn op() -> impl Strategy<Value = CmpOp> {
    proptest::sample::select(vec![CmpOp::Eq, CmpOp::Ne, CmpOp::Lt, CmpOp::Le, CmpOp::Gt, CmpOp::Ge])
}

fn word() -> impl Strategy<Value = BoolOp> {
    prop_oneof![Just(BoolOp::And), Just(BoolOp::Or)]
}

fn leaf_filter() -> impl Strategy<Value = Filter> {
    let field = proptest::sample::select(Field::ALL.to_vec());
    let signed = |field: Field| {
        let plain = (0_u32..5000).prop_map(|n| Num::Plain(f64::from(n)));
        let unit = match field {
            Field::Latency | Field::Ttft => (0_u64..1 << 50).prop_map(Num::Duration).boxed(),
            Field::Cost | Field::SavedCost => (0_u32..5000).prop_map(|n| Num::Money(f64::from(n) / 7.0)).boxed(),
            _ => plain.clone().boxed(),
        };
        (any::<bool>(), prop_oneof![plain, unit]).prop_map(|(negative, num)| Signed { negative, num })
    };
    let kind = prop_oneof![
        (label(), texts()).prop_map(|(label, value)| FilterKind::Equals { label, negated: true, value }),
        (any::<bool>(), proptest::sample::select(vec![".*", "gpt-4\\.1", "a|b", "\"\\\\x\n", "[\u{202e}]"]), label())
            .prop_map(|(negated, source, label)| FilterKind::Matches {
                label,
                negated,
                pattern: Pattern::new(source).unwrap()
            }),
        (label(), any::<bool>(), prop::collection::vec(texts(), 1..4))
            .prop_map(|(label, negated, items)| FilterKind::LabelIn { label, negated, items }),
        (field.clone(), op()).prop_flat_map(
            move |(field, op)| signed(field).prop_map(move |value| FilterKind::Number { field, op, value })
        ),
        (field, any::<bool>()).prop_flat_map(move |(field, negated)| prop::collection::vec(signed(field), 1..3)
            .prop_map(move |items| FilterKind::FieldIn { field, negated, items })),
    ];
    kind.prop_map(|k| Filter::new(k, NOWHERE).unwrap())
}

fn filter() -> impl Strategy<Value = Filter> {
    leaf_filter().prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            (word(), prop::collection::vec(inner.clone(), 2..4)).prop_map(|(op, l)| FilterKind::Bool(op, l)),
            inner.prop_map(|f| FilterKind::Not(Box::new(f))),
        ]
        .prop_map(|k| Filter::new(k, NOWHERE).unwrap())
    })
}

fn point() -> impl Strategy<Value = Point> {
    let clock = (0_u8..24, 0_u8..60, prop::option::of(0_u8..60), prop::option::of(-1080_i16..=1080))
        .prop_map(|(hour, minute, second, offset)| Clock { hour, minute, second, offset });
    (1970_i16..=9999, 1_u8..=12, prop::option::of((1_u8..=28, prop::option::of(clock))))
        .prop_map(|(year, month, rest)| Point { year, month, day: rest.map(|r| r.0), clock: rest.and_then(|r| r.1) })
}

fn range() -> impl Strategy<Value = Range> {
    use Calendar::{Last, This, Today, Yesterday};
    use Period::{Month, Week, Year};
    let calendar = vec![Today, Yesterday, This(Week), This(Month), This(Year), Last(Week), Last(Month), Last(Year)];
    prop_oneof![
        4 => millis().prop_map(Range::Last),
        2 => proptest::sample::select(calendar).prop_map(Range::Calendar),
        1 => point().prop_map(Range::One),
        1 => point().prop_map(|p| Range::Between(p, None)),
        1 => point().prop_map(|p| Range::Between(p, Some(Point { year: 9999, month: 12, day: Some(31), clock: None })))
            .prop_filter("in order", |r| !matches!(r, Range::Between(p, _) if p.year == 9999)),
    ]
}

fn select() -> impl Strategy<Value = Select> {
    let agg = prop_oneof![
        proptest::sample::select(Aggregation::NAMED.to_vec()),
        (0_u32..=1_000_000).prop_map(Aggregation::Quantile),
    ];
    let group = (any::<bool>(), proptest::sample::subsequence(Label::ALL.to_vec(), 1..=4).prop_shuffle())
        .prop_map(|(without, labels)| Group { without, labels });
    let top = (1_u32..=10_000, any::<bool>()).prop_map(|(count, bottom)| Top { count, bottom });
    let versus = prop_oneof![Just(Versus::Previous), millis().prop_map(Versus::Ago)];
    (
        (proptest::sample::select(Metric::ALL.to_vec()), prop::option::of(filter())),
        (maybe(range()), maybe(agg), maybe(group)),
        (maybe(millis()), maybe(millis()), maybe(top), maybe(versus)),
    )
        .prop_map(|((metric, filter), (range, agg, group), (every, offset, top, versus))| Select {
            metric: at(metric),
            filter,
            range,
            agg,
            group,
            every,
            offset,
            top,
            versus,
        })
}

fn expr() -> impl Strategy<Value = Expr> {
    let reference = prop_oneof![
        prop::option::of(millis()).prop_map(Ref::Baseline),
        prop::option::of(texts()).prop_map(Ref::Budget),
        prop::option::of(proptest::sample::select(Period::ALL.to_vec())).prop_map(Ref::Forecast),
    ];
    let detector = prop_oneof![
        prop::option::of((1_u32..100).prop_map(f64::from)).prop_map(Detector::Anomaly),
        Just(Detector::Trend)
    ];
    let leaf = prop_oneof![
        2 => num().prop_map(Kind::Num),
        1 => reference.prop_map(Kind::Ref),
        4 => select().prop_map(|s| Kind::Select(Box::new(s))),
        1 => (detector, select()).prop_map(|(what, of)| Kind::Detect(Detect { what, of: Box::new(of) })),
    ]
    .prop_map(|k| Expr::new(k, NOWHERE).unwrap());
    leaf.prop_recursive(6, 24, 3, |inner| {
        let arith = proptest::sample::select(vec![ArithOp::Add, ArithOp::Sub, ArithOp::Mul, ArithOp::Div]);
        let two = (inner.clone().prop_map(Box::new), inner.clone().prop_map(Box::new));
        prop_oneof![
            inner.clone().prop_map(|e| Kind::Neg(Box::new(e))),
            inner.clone().prop_map(|e| Kind::Not(Box::new(e))),
            (arith, two.clone()).prop_map(|(op, (a, b))| Kind::Arith(op, a, b)),
            (op(), two).prop_map(|(op, (a, b))| Kind::Cmp(op, a, b)),
            (word(), prop::collection::vec(inner, 2..4)).prop_map(|(op, l)| Kind::Bool(op, l)),
        ]
        .prop_map(|k| Expr::new(k, NOWHERE).unwrap())
    })
}

/// Reads `text` by all entries; checks places, and printing as a fixpoint.
fn survives(text: &str) {
    let place = |e: crate::query::ParseError| {
        assert!(text.get(e.span.range()).is_some(), "{text:?}: {e:?}");
        assert!(!e.message.chars().any(char::is_control), "{e:?}");
    };
    match parse(text) {
        Ok(query) => {
            let printed = query.to_string();
            let again = parse(&printed).unwrap_or_else(|e| panic!("{text:?} printed as {printed:?}: {e}"));
            assert_eq!((&again, again.to_string()), (&query.clone(), printed));
        }
        Err(e) => place(e),
    }
    match parse_filter(text) {
        Ok(filter) => {
            let printed = filter.to_string();
            assert_eq!(parse_filter(&printed).map(|f| f.to_string()), Ok(printed));
        }
        Err(e) => place(e),
    }
    match parse_condition(text) {
        Ok(condition) => {
            let printed = condition.to_string();
            assert_eq!(parse_condition(&printed).map(|f| f.to_string()), Ok(printed));
        }
        Err(e) => place(e),
    }
}

fn on_a_small_stack(work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(512 * 1024).spawn(work).unwrap().join().unwrap();
}

const PIECES: &[&str] = &[
    "latency",
    "cost",
    "requests",
    "error_rate",
    "monthly_spend",
    "{",
    "}",
    "(",
    ")",
    "[1h]",
    "[month]",
    "[",
    "]",
    ",",
    "provider",
    "model",
    "=",
    "==",
    "!=",
    "=~",
    "!~",
    "<",
    "<=",
    ">",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "AND",
    "OR",
    "NOT",
    "not in",
    "in",
    "(a, b)",
    "by(model)",
    "without(user)",
    "every 5m",
    "offset 1d",
    "topk(3)",
    "vs previous",
    "p95",
    "avg",
    "sum(",
    "for 5m",
    "\"x\"",
    "'y'",
    "claude",
    "gpt-4.1",
    "1",
    "2.5k",
    "$3",
    "80%",
    "1d2h",
    "1e-7",
    "baseline",
    "budget(\"b\")",
    "forecast(month)",
    "anomaly(",
    "trend(",
    "#",
    "\n",
    "“",
    "\\",
    "\u{202e}",
    "é",
    "&&",
];

proptest! {
    #![proptest_config(Config { cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(400), ..Config::default() })]

    #[test]
    fn a_tree_is_read_back_as_it_was(tree in expr()) {
        let text = tree.to_string();
        let read = parse_syntax(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        prop_assert_eq!(&read, &Query::Expr(tree.clone()), "{}", text);
        prop_assert_eq!(read.to_string(), text);
        let condition = Condition { expr: tree, hold: Some(at(300_000_000_000)) };
        prop_assert_eq!(&parse_condition_syntax(&condition.to_string()).unwrap(), &condition);
    }

    #[test]
    fn a_filter_is_read_back_as_it_was(tree in filter()) {
        let text = tree.to_string();
        let read = parse_filter(&text).unwrap_or_else(|e| panic!("{text}: {e}"));
        prop_assert_eq!(&read, &tree, "{}", text);
    }

    #[test]
    fn any_text_gives_a_tree_or_a_place(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        survives(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_pieces_give_a_tree_or_a_place(pieces in prop::collection::vec(proptest::sample::select(PIECES), 0..30)) {
        survives(&pieces.join(" "));
        survives(&pieces.concat());
    }
}

#[test]
fn the_largest_texts_stay_on_a_small_stack() {
    on_a_small_stack(|| {
        for piece in LONG {
            let repeated = piece.repeat(SOURCE_MAX / piece.len());
            survives(&repeated);
            survives(&format!("latency > 1 AND {}", &repeated[..repeated.floor_char_boundary(SOURCE_MAX - 20)]));
            // As deep as allowed, and one deeper.
            for n in [63, 64, 65, 127, 128, 129] {
                survives(&format!("{}latency > 1", piece.repeat(n)));
                survives(&format!("{}latency{}", "(".repeat(n.min(64)), ")".repeat(n.min(64))));
            }
        }
    });
}

/// Pieces that grow a tree, or waste a parser's time, when repeated.
pub(super) const LONG: &[&str] = &[
    "(",
    ")",
    "[",
    "{",
    "-",
    "+",
    "NOT ",
    "not ",
    "cost + ",
    "cost OR ",
    "cost > 1 OR ",
    "cost > 1 AND ",
    "a",
    "1",
    "1e",
    "1d",
    "1.5",
    "p9.",
    "\"",
    "\\",
    "\"\\\\\" ",
    "#",
    "#\n",
    " ",
    "avg(",
    "anomaly(",
    "cost{",
    "provider=a,",
    "provider=a AND ",
    "provider=a OR ",
    "user in (a",
    "a,",
    "latency < ",
    "by(model) ",
    "(cost)[1h] ",
    "(cost OR cost) ",
    "\u{202e}",
    "模",
    "é\"",
    "cost{model=~\"a\"} OR ",
    "cost{model=~\"\\\\w{100}\"} OR ",
    "model=~a AND ",
    "1-",
    "1e-1-",
    "$",
    "%",
    "..",
    "[..]",
    "x(",
    "&",
];
