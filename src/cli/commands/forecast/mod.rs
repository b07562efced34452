//! `ax monitor forecast`: what a series of days or hours will add up to. Opens no store.

mod read;

use std::io::Read;

use crate::cli::args::{ForecastArgs, ForecastStep};
use crate::cli::context::Context;
use crate::dashboard::ForecastView;
use crate::error::{Failure, Kind, Result, escaped};
use crate::import::{Input, open_input};
use crate::projection::{self, Step};
use crate::render;

/// Largest input: a thousand years of hours.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// Projects.
pub(crate) fn run(args: &ForecastArgs, context: &Context) -> Result<u8> {
    let step = match args.step {
        ForecastStep::Day => Step::Day,
        ForecastStep::Hour => Step::Hour,
    };
    let zone = context.zone()?;
    let text = text(args)?;
    let series = read::series(&text, step, zone).map_err(|e| e.in_file(&name(args)))?;
    let horizon = usize::try_from(args.horizon).unwrap_or(projection::HORIZON_MAX);
    let (times, future) = series.ahead(horizon);
    let view = ForecastView {
        zone: zone.clone(),
        step,
        past: series.past.iter().map(|p| p.value).collect(),
        projection: projection::project(&series.past, &future, step),
        times,
        linear: projection::linear(&series.past, &future),
        warnings: context.take_warnings(),
    };
    if context.json() {
        context.print_json(&view)?;
    } else {
        context.print(&render::forecast(&view, &context.style()?))?;
    }
    Ok(0)
}

fn name(args: &ForecastArgs) -> String {
    if args.input.as_os_str() == "-" { "stdin".to_owned() } else { escaped(&args.input.display().to_string()) }
}

/// All of the input, unzipped.
fn text(args: &ForecastArgs) -> Result<String> {
    let input = if args.input.as_os_str() == "-" { Input::Stdin } else { Input::File(args.input.clone()) };
    let failure = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::NotFound => Failure::new(Kind::NotFound, format!("there is no file {}", name(args))),
        _ => Failure::io("read", name(args), &e),
    };
    let mut bytes = Vec::new();
    open_input(&input).and_then(|r| r.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)).map_err(failure)?;
    if bytes.len() as u64 > INPUT_BYTES_MAX {
        return Err(Failure::usage(format!("{} is larger than {} MiB", name(args), INPUT_BYTES_MAX >> 20))
            .hint("sum it up to days or hours first"));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Failure::usage(format!("{}: line {line} is not UTF-8 text", name(args))).hint("write lines of ts,value")
    })
}
