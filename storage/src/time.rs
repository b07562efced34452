//! Points and ranges of time, the tiers' bucket widths, and days of a time zone.

use std::fmt;

use jiff::tz::TimeZone;

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// A minute in milliseconds.
pub const MINUTE_MS: u64 = 60_000;
/// An hour in milliseconds.
pub const HOUR_MS: u64 = 60 * MINUTE_MS;
/// 24 hours in milliseconds. A local day may be 23 or 25 hours: see [`Zone::day`].
pub const DAY_MS: u64 = 24 * HOUR_MS;

impl Timestamp {
    /// The beginning of time: 1970.
    pub const MIN: Self = Self(0);
    /// 9999-12-30, the last day every formatter can print.
    pub const MAX: Self = Self(253_402_128_000_000);
    /// Events before the year 2000 are refused: a clock that says so is wrong.
    pub const YEAR_2000: Self = Self(946_684_800_000);

    /// A timestamp from milliseconds since 1970, clamped to [`Timestamp::MAX`].
    pub const fn from_millis(ms: u64) -> Self {
        if ms > Self::MAX.0 { Self::MAX } else { Self(ms) }
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// `ms` later, saturating.
    pub const fn plus_ms(self, ms: u64) -> Self {
        Self::from_millis(self.0.saturating_add(ms))
    }

    /// `ms` earlier, saturating at 1970.
    pub const fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub(ms))
    }

    /// Milliseconds from `earlier` to `self`, 0 when it is not earlier.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The start of this timestamp's UTC day.
    pub const fn utc_day(self) -> Self {
        Self(self.0 - self.0 % DAY_MS)
    }

    /// RFC 3339 in UTC with milliseconds. Answers have thousands of times: general formatting would take
    /// longer than all else in a row.
    pub fn rfc3339(self) -> Rfc3339 {
        let civil = jiff::tz::Offset::UTC.to_datetime(self.to_jiff());
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |end: usize, digits: usize, number: i16| {
            let mut rest = number.unsigned_abs();
            for place in text[end - digits..end].iter_mut().rev() {
                *place = b'0' + (rest % 10) as u8;
                rest /= 10;
            }
        };
        put(4, 4, civil.year());
        put(7, 2, civil.month().into());
        put(10, 2, civil.day().into());
        put(13, 2, civil.hour().into());
        put(16, 2, civil.minute().into());
        put(19, 2, civil.second().into());
        put(23, 3, civil.millisecond());
        Rfc3339(text)
    }

    /// The same point for calendar arithmetic.
    pub fn to_jiff(self) -> jiff::Timestamp {
        let ms = i64::try_from(self.0).expect("bounded by MAX");
        jiff::Timestamp::from_millisecond(ms).expect("bounded by MAX")
    }

    /// A timestamp from a calendar one, clamped to 1970..MAX; sub-milliseconds are cut.
    pub fn from_jiff(t: jiff::Timestamp) -> Self {
        Self::from_millis(u64::try_from(t.as_millisecond()).unwrap_or(0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// A time as text, see [`Timestamp::rfc3339`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rfc3339([u8; 24]);

impl std::ops::Deref for Rfc3339 {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A half-open range of time: `start` is in it, `end` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimeRange {
    /// First millisecond in the range.
    pub start: Timestamp,
    /// First millisecond after the range.
    pub end: Timestamp,
}

impl TimeRange {
    /// A range; an `end` before `start` gives an empty one.
    pub fn new(start: Timestamp, end: Timestamp) -> Self {
        Self { start, end: end.max(start) }
    }

    /// All of time.
    pub const ALL: Self = Self { start: Timestamp::MIN, end: Timestamp::MAX };

    /// Nothing in it.
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }

    /// Whether `t` lies in the range.
    pub fn contains(&self, t: Timestamp) -> bool {
        self.start <= t && t < self.end
    }

    /// Whether all of `other` lies in the range.
    pub fn covers(&self, other: &Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The part both have.
    pub fn intersect(&self, other: &Self) -> Self {
        Self::new(self.start.max(other.start), self.end.min(other.end))
    }

    /// Length in milliseconds.
    pub fn millis(&self) -> u64 {
        self.end.since(self.start)
    }
}

/// The widths at which buckets are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// One minute, UTC.
    Minute,
    /// Five minutes, UTC.
    FiveMinutes,
    /// One hour of the store's zone.
    Hour,
    /// One local day of the store's zone: 23, 24 or 25 hours.
    Day,
}

impl Tier {
    /// From fine to coarse.
    pub const ALL: [Self; 4] = [Self::Minute, Self::FiveMinutes, Self::Hour, Self::Day];

    /// `1m`, `5m`, `1h`, `1d`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minute => "1m",
            Self::FiveMinutes => "5m",
            Self::Hour => "1h",
            Self::Day => "1d",
        }
    }

    /// The next finer tier, from which this one is closed.
    pub const fn finer(self) -> Option<Self> {
        match self {
            Self::Minute => None,
            Self::FiveMinutes => Some(Self::Minute),
            Self::Hour => Some(Self::FiveMinutes),
            Self::Day => Some(Self::Hour),
        }
    }

    /// The bucket of this tier that `t` lies in.
    pub fn bucket(self, t: Timestamp, zone: &Zone) -> TimeRange {
        match self {
            Self::Minute => fixed(t, MINUTE_MS),
            Self::FiveMinutes => fixed(t, 5 * MINUTE_MS),
            Self::Hour => zone.hour(t),
            Self::Day => zone.day(t),
        }
    }
}

fn fixed(t: Timestamp, width_ms: u64) -> TimeRange {
    let start = Timestamp(t.0 - t.0 % width_ms);
    TimeRange { start, end: Timestamp(start.0 + width_ms) }
}

/// A time zone with a name.
#[derive(Clone, Debug)]
pub struct Zone {
    name: Box<str>,
    tz: TimeZone,
}

/// The zone's name is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no time zone '{name}'")]
pub struct UnknownZone {
    /// What was asked for.
    pub name: String,
}

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".into(), tz: TimeZone::UTC }
    }

    /// The zone of an IANA name such as `Europe/Berlin`.
    ///
    /// Reads the one zone file of the system when there is one (0.03 ms; indexing the whole
    /// database costs 0.7 ms), else the bundled copy.
    ///
    /// # Errors
    /// When neither knows the name.
    pub fn load(name: &str) -> Result<Self, UnknownZone> {
        if name == "UTC" {
            return Ok(Self::utc());
        }
        let unknown = || UnknownZone { name: name.to_owned() };
        let plain =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-".contains(&b));
        if name.len() > 64 || !name.split('/').all(plain) {
            return Err(unknown());
        }
        let file = std::fs::read(format!("/usr/share/zoneinfo/{name}")).ok();
        let tz = file
            .and_then(|data| TimeZone::tzif(name, &data).ok())
            .map_or_else(|| TimeZone::get(name).map_err(|_| unknown()), Ok)?;
        Ok(Self { name: name.into(), tz })
    }

    /// The zone of this machine: what `TZ` names, else what `/etc/localtime` links to, else UTC.
    /// What they say may be unreadable to us, which is no mistake here.
    pub fn local() -> Self {
        let variable = std::env::var("TZ").ok();
        variable
            .and_then(|name| Self::load(name.trim_start_matches(':')).ok())
            .or_else(Self::system)
            .unwrap_or(Self::utc())
    }

    /// The zone that `/etc/localtime` links to.
    pub fn system() -> Option<Self> {
        Self::of_link(&std::fs::read_link("/etc/localtime").ok()?)
    }

    fn of_link(link: &std::path::Path) -> Option<Self> {
        let (_, name) = link.to_str()?.split_once("zoneinfo/")?;
        let name = name.trim_start_matches("posix/").trim_start_matches("right/");
        Self::load(if name.eq_ignore_ascii_case("etc/utc") { "UTC" } else { name }).ok()
    }

    /// The name it was loaded by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For calendar arithmetic and printing.
    pub fn tz(&self) -> &TimeZone {
        &self.tz
    }

    /// The local day that `t` lies in.
    pub fn day(&self, t: Timestamp) -> TimeRange {
        let local = t.to_jiff().to_zoned_datetime(self.tz.clone());
        let start = local.start_of_day().map_or(t.utc_day(), |z| Timestamp::from_jiff(z.timestamp()));
        let end = local
            .tomorrow()
            .and_then(|z| z.start_of_day())
            .map_or(t.utc_day().plus_ms(DAY_MS), |z| Timestamp::from_jiff(z.timestamp()));
        TimeRange { start, end }
    }

    /// The clock hour of the zone that `t` lies in. It is cut short where the zone's offset
    /// changes by a part of an hour (Lord Howe).
    pub fn hour(&self, t: Timestamp) -> TimeRange {
        let phase = self.phase_ms(t);
        // The first hour of 1970 is cut where a zone is not at a whole hour.
        let passed = (t.0 + phase) % HOUR_MS;
        let start = Timestamp(t.0.saturating_sub(passed));
        let end = Timestamp::from_millis(t.0 - passed.min(t.0) + HOUR_MS - passed.saturating_sub(t.0));
        let last = end.minus_ms(1);
        if self.phase_ms(start) == phase && self.phase_ms(last) == phase {
            return TimeRange { start, end };
        }
        let start = if self.phase_ms(start) == phase { start } else { self.phase_change(start, t) };
        let end = if self.phase_ms(last) == phase { end } else { self.phase_change(t, last) };
        TimeRange { start, end }
    }

    /// The zone's offset from UTC at `t`, modulo an hour, in milliseconds.
    fn phase_ms(&self, t: Timestamp) -> u64 {
        let seconds = self.tz.to_offset(t.to_jiff()).seconds();
        u64::from(seconds.rem_euclid(3600).unsigned_abs()) * 1000
    }

    /// The first moment after `low` with the phase of `high`, when they differ.
    fn phase_change(&self, low: Timestamp, high: Timestamp) -> Timestamp {
        let wanted = self.phase_ms(high);
        let (mut low, mut high) = (low.0, high.0);
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.phase_ms(Timestamp(middle)) == wanted { high = middle } else { low = middle }
        }
        Timestamp(high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_jiff(text.parse().unwrap())
    }

    proptest::proptest! {
        #[test]
        fn a_time_is_written_as_rfc_3339_with_milliseconds(ms in 0..=Timestamp::MAX.millis()) {
            let time = Timestamp::from_millis(ms);
            proptest::prop_assert_eq!(time.to_string(), format!("{:.3}", time.to_jiff()));
        }
    }

    #[test]
    fn days_of_a_zone_follow_its_clock_changes() {
        for (zone, inside, hours) in [
            ("Europe/Berlin", "2025-03-30T12:00:00Z", 23),
            ("Europe/Berlin", "2025-10-26T12:00:00Z", 25),
            ("America/New_York", "2025-11-02T12:00:00Z", 25),
            ("Asia/Kathmandu", "2025-11-02T12:00:00Z", 24),
            ("Pacific/Apia", "2011-12-29T12:00:00Z", 24),
            ("UTC", "2024-02-29T12:00:00Z", 24),
        ] {
            let day = Zone::load(zone).unwrap().day(at(inside));
            assert_eq!(day.millis(), hours * HOUR_MS, "{zone} {inside}");
            assert!(day.contains(at(inside)));
        }
    }

    #[test]
    fn hours_and_days_tile_time_in_odd_zones() {
        for (zone, from) in [
            ("Asia/Kathmandu", "1970-01-01T00:00:00Z"),
            ("Asia/Kathmandu", "2025-01-01T00:00:00Z"),
            ("Australia/Lord_Howe", "2025-04-05T00:00:00Z"),
            ("Australia/Lord_Howe", "2025-10-04T00:00:00Z"),
            ("Europe/Berlin", "2025-10-25T00:00:00Z"),
            ("Pacific/Apia", "2011-12-29T00:00:00Z"),
        ] {
            let zone = Zone::load(zone).unwrap();
            let mut t = zone.day(at(from)).start;
            let stop = t.plus_ms(3 * DAY_MS);
            while t < stop {
                let day = zone.day(t);
                assert_eq!(day.start, t);
                let mut h = t;
                while h < day.end {
                    let hour = zone.hour(h);
                    assert_eq!(hour.start, h, "{}", zone.name());
                    assert_eq!(zone.hour(hour.end.minus_ms(1)), hour);
                    h = hour.end;
                }
                assert_eq!(h, day.end, "hours fill the day");
                t = day.end;
            }
        }
    }

    #[test]
    fn the_systems_zone_is_what_its_link_names() {
        for (link, zone) in [
            ("/usr/share/zoneinfo/Europe/Berlin", Some("Europe/Berlin")),
            ("../usr/share/zoneinfo/posix/Asia/Tokyo", Some("Asia/Tokyo")),
            ("/usr/share/zoneinfo/Etc/UTC", Some("UTC")),
            ("/somewhere/else", None),
        ] {
            assert_eq!(Zone::of_link(link.as_ref()).as_ref().map(Zone::name), zone, "{link}");
        }
    }

    #[test]
    fn a_zone_name_cannot_leave_the_zone_folder() {
        for name in ["../../etc/passwd", "/etc/localtime", "", "Nowhere/Atall", "a//b"] {
            assert!(Zone::load(name).is_err(), "{name}");
        }
    }
}
