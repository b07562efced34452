//! `ax monitor prices`: what tokens cost, whose price that is, and what has none.

mod list;
mod unpriced;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueHint};
use serde::Serialize;

use crate::cli::args::SpanArgs;
use crate::cli::context::Context;
use crate::cli::prices::{Moment, PriceTable, explain, settings};
use crate::cli::text::counted;
use crate::dashboard::Warning;
use crate::error::{Failure, Kind, Result, escaped, plain};
use crate::import::{Input, open_input};
use crate::pricing::{self, Change, Imported, NotAPriceFile};

/// Longest price file in bytes, unpacked.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What tokens cost, whose price that is, and which models have none
///
/// Calls that bring no cost are priced when they are recorded or imported, by the price at the time of the
/// call: prices of your own over imported lists over the list that comes along. What was recorded keeps its
/// cost.
#[derive(Clone, Debug, Default, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "\
\u{1b}[1;4mExamples\u{1b}[0m
  ax monitor prices list sonnet
  ax monitor prices set my-model --input 0.5 --output 1.5
  ax monitor prices set gpt-5 --input 2.4 --output 12 --from 2026-09-01
  ax monitor prices import model_prices_and_context_window.json
  ax monitor prices unpriced --range 30d")]
pub(crate) struct PricesArgs {
    #[command(subcommand)]
    pub verb: Option<PricesVerb>,
    #[command(flatten)]
    pub list: ListArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PricesVerb {
    List(ListArgs),
    Set(SetArgs),
    Unset(UnsetArgs),
    Import(ImportFileArgs),
    Unpriced(UnpricedArgs),
}

/// The prices in force: US dollars a million tokens, since when, and from which list
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ListArgs {
    /// Only models whose name holds this
    #[arg(value_name = "MODEL")]
    pub model: Option<String>,
    /// Only this provider
    #[arg(long, value_name = "P")]
    pub provider: Option<String>,
}

/// Set the price of a model, over every list; amounts are US dollars a million tokens
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SetArgs {
    /// Model; dates of release and what stands before a / do not matter
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// Only for calls to this provider
    #[arg(long, value_name = "P")]
    pub provider: Option<String>,
    /// Input
    #[arg(long, value_name = "USD")]
    pub input: String,
    /// Output, reasoning included
    #[arg(long, value_name = "USD")]
    pub output: String,
    /// Input read from the provider's cache [default: as input]
    #[arg(long, value_name = "USD")]
    pub cached: Option<String>,
    /// Input written to that cache [default: as input]
    #[arg(long, value_name = "USD")]
    pub cache_write: Option<String>,
    /// Input written to it for an hour [default: as other writes]
    #[arg(long, value_name = "USD")]
    pub cache_write_1h: Option<String>,
    /// From when on: RFC 3339, a date, epoch ms [default: ever since]
    #[arg(long, value_name = "TIME")]
    pub from: Option<String>,
}

/// Take back what was set for a model
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct UnsetArgs {
    /// Model
    #[arg(value_name = "MODEL")]
    pub model: String,
    /// The price for this provider; without it the one for any
    #[arg(long, value_name = "P")]
    pub provider: Option<String>,
}

/// Take the prices of a file of LiteLLM or genai-prices, also .gz; the former one of its kind goes
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ImportFileArgs {
    /// model_prices_and_context_window.json or data.json; `-` is stdin
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Which models had calls without a price, and how to give them one
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct UnpricedArgs {
    #[command(flatten)]
    pub span: SpanArgs,
}

/// Runs a verb of `prices`.
pub(crate) fn run(args: &PricesArgs, context: &Context) -> Result<u8> {
    match &args.verb {
        None => list::run(&args.list, context),
        Some(PricesVerb::List(args)) => list::run(args, context),
        Some(PricesVerb::Set(args)) => set(args, context),
        Some(PricesVerb::Unset(args)) => unset(args, context),
        Some(PricesVerb::Import(args)) => import(&args.file, context),
        Some(PricesVerb::Unpriced(args)) => unpriced::run(args, context),
    }
}

fn set(args: &SetArgs, context: &Context) -> Result<u8> {
    let amount = |text: &Option<String>| text.as_deref().map(Into::into);
    let table = PriceTable {
        provider: args.provider.clone(),
        input: Some(args.input.as_str().into()),
        output: Some(args.output.as_str().into()),
        cached: amount(&args.cached),
        cache_write: amount(&args.cache_write),
        cache_write_1h: amount(&args.cache_write_1h),
        from: args.from.clone().map(Moment),
    };
    let price = table.price(&args.model, context)?;
    let store = context.writable_store()?;
    let change = Change::Set(price.clone());
    let (contents, _) = pricing::change(&store, &settings(context)?, &change).map_err(explain)?;
    if contents.settings.iter().any(|o| pricing::normalized(&o.model) == pricing::normalized(&price.model)) {
        context.warn("settings", format!("the settings file has a price for {} too, which wins", args.model));
    }
    list::show(&[list::Row::of(&price)], context)
}

fn unset(args: &UnsetArgs, context: &Context) -> Result<u8> {
    let store = context.existing_store()?;
    let provider = args.provider.clone().unwrap_or_default();
    let change = Change::Unset { provider, model: args.model.clone() };
    let (_, removed) = pricing::change(&store, &settings(context)?, &change).map_err(explain)?;
    if removed == 0 {
        return Err(Failure::new(Kind::NotFound, format!("no price was set for {}", escaped(&args.model)))
            .hint("`ax monitor prices list` shows those that were: origin override"));
    }
    done("unset", removed, &format!("Took back {}.\n", counted(removed, "price")), context)
}

#[derive(Serialize)]
struct DoneView {
    schema: &'static str,
    generated_at: String,
    verb: &'static str,
    prices: u64,
    warnings: Vec<Warning>,
}

fn done(verb: &'static str, prices: u64, text: &str, context: &Context) -> Result<u8> {
    if context.json() {
        let (schema, generated_at) = ("ax.monitor.prices/1", context.now().to_string());
        context.print_json(&DoneView { schema, generated_at, verb, prices, warnings: context.take_warnings() })?;
    } else {
        context.print(text)?;
    }
    Ok(0)
}

fn import(file: &Path, context: &Context) -> Result<u8> {
    let name = file.display().to_string();
    let text = read(file, &name)?;
    let read = pricing::read(&text).map_err(|e| {
        let failure = Failure::usage(format!("{}: {e}", escaped(&name)));
        match e {
            NotAPriceFile::Unknown | NotAPriceFile::Empty => failure.hint("both are JSON files of their projects"),
            _ => failure,
        }
    })?;
    if read.rounded > 0 {
        context.warn("rounded", format!("{} had more decimals than are kept", counted(read.rounded, "price")));
    }
    let file = file.file_name().map_or_else(|| "-".into(), |name| name.to_string_lossy().into_owned());
    let at_ms = context.clock().millis();
    let list = Imported { kind: read.kind.to_owned(), file, at_ms, providers: read.providers };
    let models = list.priced();
    let store = context.writable_store()?;
    pricing::change(&store, &settings(context)?, &Change::Import(list)).map_err(explain)?;
    let without = match read.without_price {
        0 => String::new(),
        n => format!("{} without a price of tokens left out.\n", counted(n, "model")),
    };
    let text = format!(
        "Took the prices of {} from {} ({}).\n{without}Calls from now on are priced by them; what was recorded keeps its cost.\n",
        counted(models, "model"),
        escaped(&name),
        read.kind
    );
    done("import", models, &text, context)
}

fn read(file: &Path, name: &str) -> Result<String> {
    use std::io::Read;
    let io = |cause: std::io::Error| {
        let kind = if cause.kind() == std::io::ErrorKind::NotFound { Kind::NotFound } else { Kind::Io };
        Failure::new(kind, format!("cannot read {}: {}", escaped(name), plain(&cause)))
    };
    let input = if file == Path::new("-") { Input::Stdin } else { Input::File(file.to_owned()) };
    let mut bytes = Vec::new();
    open_input(&input).map_err(io)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::usage(format!("{} is longer than any price file", escaped(name))));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{} is not UTF-8 text", escaped(name))))
}
