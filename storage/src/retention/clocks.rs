//! Whether the wall clock can be believed: data that a wrong clock took for old are gone for good.
//!
//! Before anything is removed the wall clock and the steady one, which counts from the start of the
//! system and sleeps with nobody, are noted. They are believed once they went on by the same time
//! for ten minutes. A clock that was set, and a system that was started anew, begin these again.

use redb::{ReadableTable, Table};

use crate::clock::Steady;
use crate::tier::db::{Db, DbError};
use crate::time::{DAY_MS, MINUTE_MS, Timestamp};

const BOOT: &str = "clocks.boot";
const STEADY: &str = "clocks.steady";
const WALL: &str = "clocks.wall";

/// So far may the two clocks be apart: a clock that is set by less expires little that would not have
/// expired anyway.
const APART_MS_MAX: u64 = DAY_MS;
/// So long they have to agree.
const PROBATION_MS: u64 = 10 * MINUTE_MS;

/// Both clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Noted {
    pub(super) wall: Timestamp,
    pub(super) steady: Steady,
}

/// What two readings of the clocks say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Believed,
    /// They agree, but not for long enough yet.
    TooSoon,
    /// They do not agree, or nothing was noted: the new reading has to be noted.
    Unknown,
}

/// Judges `now` by what was noted before.
pub(super) fn judge(before: Option<Noted>, now: Noted) -> Verdict {
    let Some(before) = before.filter(|b| b.steady.boot == now.steady.boot && b.steady.ms <= now.steady.ms) else {
        return Verdict::Unknown;
    };
    let steady = now.steady.ms - before.steady.ms;
    let apart = match now.wall >= before.wall {
        true => now.wall.since(before.wall).abs_diff(steady),
        false => before.wall.since(now.wall).saturating_add(steady),
    };
    match (apart <= APART_MS_MAX, steady >= PROBATION_MS) {
        (false, _) => Verdict::Unknown,
        (true, false) => Verdict::TooSoon,
        (true, true) => Verdict::Believed,
    }
}

/// What was noted last.
pub(super) fn noted(db: &Db, meta: &impl ReadableTable<&'static str, u128>) -> Result<Option<Noted>, DbError> {
    let get = |key| meta.get(key).map_err(|e| db.error(e)).map(|v| v.map(|v| v.value()));
    let (Some(boot), Some(ms), Some(wall)) = (get(BOOT)?, get(STEADY)?, get(WALL)?) else { return Ok(None) };
    let ms_of = |v: u128| u64::try_from(v).unwrap_or(u64::MAX);
    Ok(Some(Noted { wall: Timestamp::from_millis(ms_of(wall)), steady: Steady { boot, ms: ms_of(ms) } }))
}

/// Notes `now`.
pub(super) fn note(db: &Db, meta: &mut Table<'_, &'static str, u128>, now: Noted) -> Result<(), DbError> {
    let values = [(BOOT, now.steady.boot), (STEADY, now.steady.ms.into()), (WALL, now.wall.millis().into())];
    values.into_iter().try_for_each(|(key, value)| meta.insert(key, value).map(|_| ()).map_err(|e| db.error(e)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_763_000_000_000;

    fn at(wall: i64, steady: u64, boot: u128) -> Noted {
        Noted {
            wall: Timestamp::from_millis(START.strict_add_signed(wall)),
            steady: Steady { boot, ms: 1_000_000 + steady },
        }
    }

    #[test]
    fn clocks_are_believed_after_agreeing_for_ten_minutes() {
        const MIN: i64 = 60_000;
        const DAY: i64 = 86_400_000;
        let before = at(0, 0, 1);
        for (now, verdict) in [
            (at(10 * MIN, 600_000, 1), Verdict::Believed),
            (at(9 * MIN, 540_000, 1), Verdict::TooSoon),
            (at(DAY + 20 * MIN, 1_200_000, 1), Verdict::Believed),
            (at(DAY + 20 * MIN + 1, 1_200_000, 1), Verdict::Unknown),
            (at(-DAY + 20 * MIN, 1_200_000, 1), Verdict::Believed),
            (at(-DAY, 1_200_000, 1), Verdict::Unknown),
            (at(30 * DAY, 30 * 86_400_000, 1), Verdict::Believed),
            (at(3000 * DAY, 600_000, 1), Verdict::Unknown),
            (at(10 * MIN, 600_000, 2), Verdict::Unknown),
        ] {
            assert_eq!(judge(Some(before), now), verdict, "{now:?}");
        }
        assert_eq!(judge(None, before), Verdict::Unknown);
        let earlier = Noted { steady: Steady { boot: 1, ms: 5 }, ..before };
        assert_eq!(judge(Some(before), earlier), Verdict::Unknown, "a counter that went back is another one");
    }
}
