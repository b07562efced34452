//! The group of each row of a segment.
//!
//! Most plans group by labels that one column tells: provider and model stand in the series, a user is
//! an id of its own. A table from that column's values to cells spares a look-up of names for every
//! row: each value is looked up once a segment.

use super::super::QueryError;
use super::super::buckets::Gathering;
use super::super::cells::CellId;
use super::super::filter::Kind;
use super::super::names::{ERROR, LabelSet, Labels, OK, Translation};
use super::super::plan::Label;
use super::columns::Space;
use super::left::Places;
use crate::raw::{self, BlockReader, Column, Segment};
use crate::row::NameId;

/// How the groups of one kind of rows are found. Cells are those of a group's first step.
#[derive(Debug)]
pub(super) enum Grouping {
    /// All rows are of one group.
    One(CellId),
    /// By the value of a column.
    Column(Column, Vec<CellId>),
    /// By the labels of a row.
    Labels,
}

/// More values of a column than these are not kept in an array.
const KEYS_MAX: usize = 1 << 16;

/// No cell has this number: there are fewer than [`super::super::plan::CELLS_MAX`].
const UNKNOWN: CellId = CellId::MAX;

impl Grouping {
    /// For a plan that groups by `group`.
    pub(super) fn new(group: LabelSet, kind: Kind, segment: &Segment) -> Self {
        let mut columns: Vec<Column> = group.both(kind.labels()).iter().map(|l| column_of(l, kind)).collect();
        columns.dedup();
        match *columns {
            [] => Self::One(UNKNOWN),
            [Column::Series] => Self::Column(Column::Series, vec![UNKNOWN; segment.names().series().len()]),
            // Ids of names, for the status behind the values of success and of failure without a kind.
            [column] => Self::Column(column, vec![UNKNOWN; segment.names().names_len() + raw::FAILED as usize]),
            _ => Self::Labels,
        }
    }

    /// The column that tells the group, `None` for a single group, and how many values it can have;
    /// nothing when that takes more than a column.
    pub(super) fn keys(&self) -> Option<(Option<Column>, usize)> {
        match self {
            Self::One(_) => Some((None, 1)),
            Self::Column(column, known) if known.len() <= KEYS_MAX => Some((Some(*column), known.len())),
            Self::Column(..) | Self::Labels => None,
        }
    }
}

impl Gathering<'_, '_> {
    /// Notes the cells of `rows`.
    pub(super) fn group_rows(
        &mut self,
        segment: &Segment,
        reader: &BlockReader<'_>,
        kind: Kind,
        grouping: &mut Grouping,
        rows: &Places,
        space: &mut Space,
    ) -> Result<(), QueryError> {
        let translation = &mut space.translation;
        let Some(first) = rows.iter().next() else { return Ok(()) };
        match grouping {
            Grouping::One(cell) => {
                if *cell == UNKNOWN {
                    *cell = self.row_cell(segment, reader, kind, first, translation)?;
                }
                space.cells.fill(*cell);
            }
            Grouping::Column(column, known) => {
                let values = reader.values(*column);
                for row in rows.iter() {
                    let value = values[row] as usize;
                    space.cells[row] = match known.get(value) {
                        Some(&cell) if cell != UNKNOWN => cell,
                        _ => {
                            let cell = self.row_cell(segment, reader, kind, row, translation)?;
                            known.get_mut(value).into_iter().for_each(|known| *known = cell);
                            cell
                        }
                    };
                }
            }
            Grouping::Labels => {
                for row in rows.iter() {
                    space.cells[row] = self.row_cell(segment, reader, kind, row, translation)?;
                }
            }
        }
        Ok(())
    }

    fn row_cell(
        &mut self,
        segment: &Segment,
        reader: &BlockReader<'_>,
        kind: Kind,
        row: usize,
        translation: &mut Translation,
    ) -> Result<CellId, QueryError> {
        self.cell_at(segment, kind, &|column| reader.values(column)[row], translation)
    }

    /// The cell of the first step for these values of the columns that tell the group.
    pub(super) fn cell_at(
        &mut self,
        segment: &Segment,
        kind: Kind,
        value: &dyn Fn(Column) -> u64,
        translation: &mut Translation,
    ) -> Result<CellId, QueryError> {
        let group = LabelSet::of(&self.plan.group).both(kind.labels());
        let names = &mut self.names;
        let labels =
            labels_at(segment, kind, value, group, |id| translation.id(names, id, || segment.names().name(id)));
        let group = self.cells.group(&labels)?;
        Ok(self.cells.cell(group, 0))
    }
}

/// The column that a label is found in.
pub(super) const fn column_of(label: Label, kind: Kind) -> Column {
    match label {
        Label::Provider | Label::Model => Column::Series,
        Label::User => Column::User,
        Label::Status | Label::Error => Column::Status,
        Label::Key => Column::Key,
        Label::Kind => Column::LimitType,
        Label::ServiceTier if matches!(kind, Kind::Request) => Column::ServiceTier,
        Label::ServiceTier => Column::Status,
    }
}

/// The `needed` labels of a row, whose columns have these values.
#[inline]
pub(super) fn labels_at(
    segment: &Segment,
    kind: Kind,
    value: &dyn Fn(Column) -> u64,
    needed: LabelSet,
    mut id: impl FnMut(NameId) -> NameId,
) -> Labels {
    let mut labels = Labels::default();
    if needed.has(Label::Provider) || needed.has(Label::Model) {
        let series = segment.names().series().get(value(Column::Series) as usize);
        let (provider, model) = series.copied().unwrap_or((0, 0));
        if needed.has(Label::Provider) {
            labels[Label::Provider as usize] = id(provider);
        }
        if needed.has(Label::Model) {
            labels[Label::Model as usize] = id(model);
        }
    }
    if kind == Kind::Request && (needed.has(Label::Status) || needed.has(Label::Error)) {
        let status = value(Column::Status);
        labels[Label::Status as usize] = if status == raw::OK { OK } else { ERROR };
        if needed.has(Label::Error) {
            labels[Label::Error as usize] = id(status.saturating_sub(raw::FAILED) as NameId);
        }
    }
    for label in [Label::User, Label::Key, Label::Kind, Label::ServiceTier] {
        if needed.has(label) {
            labels[label as usize] = id(value(column_of(label, kind)) as NameId);
        }
    }
    labels
}
