//! Tables that fit: first the gaps shrink, then names, then columns go by priority. Figures are
//! never cut.

use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Padding, Style as Frame};

use super::{Role, Style, text};

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Align {
    Left,
    Right,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// What it is called.
    pub title: String,
    /// Where its text stands.
    pub align: Align,
    /// It holds names, which may be cut down to so many columns; `None` for figures.
    pub shrinks_to: Option<usize>,
    /// The greatest goes first when there is no room; 0 stays for ever.
    pub drop: u8,
    /// What does not fit goes on in the next line instead of being cut.
    pub wraps: bool,
}

impl Column {
    /// A column of figures.
    pub fn figure(title: impl Into<String>, drop: u8) -> Self {
        Self { title: title.into(), align: Align::Right, shrinks_to: None, drop, wraps: false }
    }

    /// A column of names.
    pub fn name(title: impl Into<String>) -> Self {
        Self { title: title.into(), align: Align::Left, shrinks_to: Some(10), drop: 0, wraps: false }
    }

    /// A column of sentences, which take as many lines as they need.
    pub fn sentence(title: impl Into<String>) -> Self {
        Self { shrinks_to: Some(16), wraps: true, ..Self::name(title) }
    }

    /// A column of words or drawings that must stay whole.
    pub fn word(title: impl Into<String>, drop: u8) -> Self {
        Self { align: Align::Left, ..Self::figure(title, drop) }
    }
}

/// A cell's text, which holds no colour codes and nothing unsafe.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    /// The text.
    pub text: String,
    /// What it means.
    pub role: Role,
}

impl Cell {
    /// A cell in a role.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self { text: text.into(), role }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Role::Plain, text)
    }
}

/// A table before it is laid out.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows, each as long as `columns`.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    pub const fn new(columns: Vec<Column>) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// Leaves out the columns that may go and say nothing in any row.
    pub fn drop_empty(&mut self, style: &Style) {
        let says = |row: &Vec<Cell>, i: usize| !row[i].text.is_empty() && row[i].text != style.none();
        let kept: Vec<bool> = (0..self.columns.len())
            .map(|i| self.columns[i].drop == 0 || self.rows.iter().any(|row| says(row, i)))
            .collect();
        let mut columns = kept.iter();
        self.columns.retain(|_| columns.next().is_some_and(|kept| *kept));
        for row in &mut self.rows {
            let mut cells = kept.iter();
            row.retain(|_| cells.next().is_some_and(|kept| *kept));
        }
    }

    /// The lines of the table, each ended by a newline.
    pub fn draw(&self, style: &Style) -> String {
        self.draw_rows(style).concat()
    }

    /// The lines of the heading and of each row.
    pub fn draw_rows(&self, style: &Style) -> Vec<String> {
        let layout = Layout::fit(&self.natural(), &self.columns, style.width);
        let heading: Vec<Cell> = self.columns.iter().map(|c| Cell::new(Role::Dim, c.title.clone())).collect();
        let records: Vec<Vec<Vec<String>>> =
            std::iter::once(&heading).chain(&self.rows).map(|row| layout.lines(row, &self.columns, style)).collect();
        let heights: Vec<usize> = records.iter().map(|record| record.iter().map(Vec::len).max().unwrap_or(1)).collect();
        let mut builder = Builder::default();
        for record in records {
            builder.push_record(record.into_iter().map(|lines| lines.join("\n")));
        }
        let mut table = builder.build();
        table.with(Frame::empty()).with(Padding::zero());
        for (place, (i, _)) in layout.columns.iter().enumerate() {
            let left = if place == 0 { 0 } else { layout.gap };
            table.modify(Columns::one(place), Padding::new(left, 0, 0, 0));
            let align = if self.columns[*i].align == Align::Right { Alignment::right() } else { Alignment::left() };
            table.modify(Columns::one(place), align);
        }
        let drawn = table.to_string();
        let mut lines = drawn.lines().map(|line| format!("{}\n", line.trim_end()));
        heights.into_iter().map(|height| lines.by_ref().take(height).collect()).collect()
    }

    /// Widths that columns would like.
    fn natural(&self) -> Vec<usize> {
        let widest = |i: usize| {
            let cells = self.rows.iter().map(|row| text::width(&row[i].text)).max().unwrap_or(0);
            cells.max(text::width(&self.columns[i].title))
        };
        (0..self.columns.len()).map(widest).collect()
    }
}

/// Which columns are shown, how wide, and with what between them.
#[derive(Debug, PartialEq, Eq)]
struct Layout {
    columns: Vec<(usize, usize)>,
    gap: usize,
}

/// The least that is left of a name when nothing else helps.
const NAME_MIN: usize = 4;

impl Layout {
    /// The lines of each cell that is shown.
    fn lines(&self, row: &[Cell], columns: &[Column], style: &Style) -> Vec<Vec<String>> {
        let cell = |(i, width): &(usize, usize)| {
            let Cell { text, role } = &row[*i];
            let lines =
                if columns[*i].wraps { text::wrap(text, *width) } else { vec![text::clip(text, *width, style)] };
            lines.iter().map(|line| style.paint(*role, line)).collect()
        };
        self.columns.iter().map(cell).collect()
    }

    fn fit(natural: &[usize], columns: &[Column], room: usize) -> Self {
        let mut kept: Vec<usize> = (0..columns.len()).collect();
        loop {
            for gap in [2, 1] {
                if let Some(widths) = shrink(&kept, natural, columns, room, gap, None) {
                    return Self { columns: kept.iter().copied().zip(widths).collect(), gap };
                }
            }
            let next = kept.iter().copied().filter(|i| columns[*i].drop > 0).max_by_key(|i| columns[*i].drop);
            match next {
                Some(victim) => kept.retain(|i| *i != victim),
                None => break,
            }
        }
        // Even alone they are too wide: names as short as can be, figures whole, whatever comes of it.
        let widths = shrink(&kept, natural, columns, room, 1, Some(NAME_MIN)).unwrap_or_else(|| {
            kept.iter().map(|i| columns[*i].shrinks_to.map_or(natural[*i], |_| natural[*i].min(NAME_MIN))).collect()
        });
        Self { columns: kept.iter().copied().zip(widths).collect(), gap: 1 }
    }
}

/// Widths of the kept columns so that all fit: the widest names give way first. `None` when they cannot.
fn shrink(
    kept: &[usize],
    natural: &[usize],
    columns: &[Column],
    room: usize,
    gap: usize,
    least: Option<usize>,
) -> Option<Vec<usize>> {
    let mut widths: Vec<usize> = kept.iter().map(|i| natural[*i]).collect();
    let mut total = widths.iter().sum::<usize>() + gap * kept.len().saturating_sub(1);
    while total > room {
        let floor = |place: usize| columns[kept[place]].shrinks_to.map(|least_here| least.unwrap_or(least_here));
        let widest =
            (0..kept.len()).filter(|p| floor(*p).is_some_and(|f| widths[*p] > f)).max_by_key(|p| widths[*p])?;
        widths[widest] -= 1;
        total -= 1;
    }
    Some(widths)
}
