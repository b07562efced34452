//! The store's own prices: overrides and imported lists in its tables, and `prices.bin` made of them.
//!
//! The file is written inside the transaction that changes the tables, so of two writers the later one
//! leaves its own there. It is a copy: lost or damaged, it is made again.

use ax_storage::Store;
use ax_storage::table::{Table, Tables, TablesWriter};
use ax_storage::tier::db::DbError;
use bincode::{Decode, Encode};

use super::{Contents, FileError, Imported, Override, Provider, When, normalized, path_in, price_provider, store};

/// By provider and model, and the first ms of the price.
const OVERRIDES: Table<Override> = Table::new("price_overrides");
/// By kind of list: its head at 0, then its providers.
const IMPORTS: Table<ImportRow> = Table::new("price_imports");
/// Models in a row; a provider with more has several.
const ROW_MODELS_MAX: usize = 2000;

#[derive(Clone, Debug, Encode, Decode)]
enum ImportRow {
    Head { file: String, at_ms: u64 },
    Provider(Provider),
}

/// What the settings file says about prices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Prices of its own.
    pub overrides: Vec<Override>,
    /// Other names of providers: (name, whose prices hold).
    pub aliases: Vec<(String, String)>,
}

/// A change of the store's prices.
#[derive(Clone, Debug)]
pub enum Change {
    /// None: only make the file anew.
    Nothing,
    /// A price, over one of the same provider, model and time.
    Set(Override),
    /// All prices that were set for a model; the provider empty = those for any provider.
    Unset {
        /// Provider, possibly empty.
        provider: String,
        /// Model.
        model: String,
    },
    /// A list, over an earlier one of its kind.
    Import(Imported),
}

/// Why prices could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The tables.
    #[error(transparent)]
    Database(#[from] DbError),
    /// The file.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Changes the store's prices and makes its price file: what is in force then, and how many rows were
/// removed.
///
/// # Errors
/// When the store or the file cannot be written; nothing is changed then.
pub fn change(target: &Store, settings: &Settings, change: &Change) -> Result<(Contents, u64), ChangeError> {
    target.write_tables(|tables| {
        let removed = apply(tables, change)?;
        let contents = contents(tables, settings)?;
        store(&path_in(target.dir()), &contents)?;
        Ok((contents, removed))
    })
}

fn apply(tables: &mut TablesWriter<'_>, change: &Change) -> Result<u64, DbError> {
    match change {
        Change::Nothing => Ok(0),
        Change::Set(price) => {
            let from_ms = match price.price.when {
                When::From(from_ms) => from_ms,
                When::Daily { .. } => 0,
            };
            tables.put(&OVERRIDES, &key(&price.provider, &price.model), from_ms, price).map(|()| 0)
        }
        Change::Unset { provider, model } => {
            let name = key(provider, model);
            let rows = tables.of(&OVERRIDES, &name)?;
            for row in &rows {
                tables.remove(&OVERRIDES, &name, row.number)?;
            }
            Ok(rows.len() as u64)
        }
        Change::Import(list) => {
            let old = tables.of(&IMPORTS, &list.kind)?;
            for row in &old {
                tables.remove(&IMPORTS, &list.kind, row.number)?;
            }
            let head = ImportRow::Head { file: list.file.clone(), at_ms: list.at_ms };
            tables.put(&IMPORTS, &list.kind, 0, &head)?;
            let rows = list.providers.iter().flat_map(|provider| {
                provider.models.chunks(ROW_MODELS_MAX).map(|models| Provider {
                    id: provider.id.clone(),
                    known_as: provider.known_as.clone(),
                    fallbacks: provider.fallbacks.clone(),
                    models: models.to_vec(),
                })
            });
            for (number, provider) in (1..).zip(rows) {
                tables.put(&IMPORTS, &list.kind, number, &ImportRow::Provider(provider))?;
            }
            Ok(old.len() as u64)
        }
    }
}

fn key(provider: &str, model: &str) -> String {
    format!("{} {}", price_provider(provider), normalized(model))
}

fn contents(tables: &Tables<'_>, settings: &Settings) -> Result<Contents, DbError> {
    let mut imported: Vec<Imported> = Vec::new();
    for row in tables.all(&IMPORTS)? {
        match (row.value, imported.last_mut()) {
            (ImportRow::Head { file, at_ms }, _) => {
                imported.push(Imported { kind: row.name, file, at_ms, providers: Vec::new() });
            }
            (ImportRow::Provider(part), Some(list)) => match list.providers.last_mut() {
                Some(last) if last.id == part.id => last.models.extend(part.models),
                _ => list.providers.push(part),
            },
            // A list without a head was never written.
            (ImportRow::Provider(_), None) => {}
        }
    }
    imported.sort_by_key(|list| list.at_ms);
    let set = tables.all(&OVERRIDES)?.into_iter().map(|row| row.value).collect();
    Ok(Contents { imported, set, settings: settings.overrides.clone(), aliases: settings.aliases.clone() })
}
