//! Times as files write them: ISO 8601, or milliseconds since 1970.

use serde_json::Value;

const DAY_MS: i64 = 86_400_000;

/// Years 1 to 9999. What lies outside is a mistake, and would overflow where ages are reckoned.
pub(super) const EARLIEST_MS: i64 = -62_135_596_800_000;
pub(super) const LATEST_MS: i64 = 253_402_300_799_999;

/// Milliseconds since 1970, or nothing where the value is no time.
pub(super) fn read(value: &Value) -> Option<i64> {
    let ms = match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(number.as_f64()?))?,
        Value::String(text) => iso_8601(text.trim())?,
        _ => return None,
    };
    (EARLIEST_MS..=LATEST_MS).contains(&ms).then_some(ms)
}

/// A fraction of a millisecond is dropped.
fn whole(ms: f64) -> Option<i64> {
    let fits = ms.is_finite() && (EARLIEST_MS as f64..=LATEST_MS as f64).contains(&ms);
    #[expect(clippy::cast_possible_truncation, reason = "checked to lie within the range")]
    fits.then_some(ms as i64)
}

/// `2024-05-30`, `2024-05-30T23:40`, with seconds, a fraction, and `Z` or an offset; no offset means UTC. A blank may
/// stand for the T, slashes for the dashes, and the day of the week in brackets after the date, as chat exports do.
fn iso_8601(text: &str) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = day(date)?;
    let rest = rest.trim_start();
    let rest = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
        Some((_, after)) => after.trim_start(),
        None => rest.strip_prefix(['T', 't']).unwrap_or(rest),
    };
    if rest.is_empty() {
        return Some(days * DAY_MS);
    }
    let zone_at = rest.find(['Z', 'z', '+', '-']).unwrap_or(rest.len());
    let (clock, zone) = rest.split_at(zone_at);
    Some(days * DAY_MS + clock_ms(clock.trim_end())? - offset_ms(zone)?)
}

/// Days since 1970 in the Gregorian calendar; the algorithm is Howard Hinnant's `days_from_civil`.
fn day(date: &str) -> Option<i64> {
    let mut parts = date.split(['-', '/']);
    let (year, month, day) = (digits(parts.next()?, 4)?, digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if parts.next().is_some() || !(1..=longest).contains(&day) {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, year_of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468)
}

fn clock_ms(clock: &str) -> Option<i64> {
    let (clock, fraction) = clock.split_once(['.', ',']).unwrap_or((clock, ""));
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?, 2)?, digits(parts.next()?, 2)?);
    let second = parts.next().map_or(Some(0), |second| digits(second, 2))?;
    let sound = hour < 24 && minute < 60 && second <= 60 && parts.next().is_none(); // 60 is a leap second
    sound.then_some(((hour * 60 + minute) * 60 + second) * 1000 + fraction_ms(fraction)?)
}

fn fraction_ms(fraction: &str) -> Option<i64> {
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| fraction.bytes().chain(*b"000").take(3).fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0')))
}

fn offset_ms(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next() {
        None => return Some(0),
        Some('Z' | 'z') if zone.len() == 1 => return Some(0),
        Some('+') => 1,
        Some('-') => -1,
        _ => return None,
    };
    let clock = zone[1..].replace(':', "");
    let (hours, minutes) = match clock.len() {
        2 => (digits(&clock, 2)?, 0),
        4 => (digits(clock.get(..2)?, 2)?, digits(clock.get(2..)?, 2)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then_some(sign * (hours * 60 + minutes) * 60_000)
}

/// A number of exactly so many digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    let sound = text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    sound.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ms(text: &str) -> Option<i64> {
        read(&Value::from(text))
    }

    #[test]
    fn every_way_to_write_a_moment_gives_the_same() {
        let moment = Some(1_717_112_400_000);
        for text in [
            "2024-05-30T23:40:00Z",
            "2024-05-30T23:40",
            "2024-05-30 23:40:00",
            "2024-05-30T23:40:00.000+00:00",
            "2024-05-31T01:40:00+02:00",
            "2024-05-30T18:10:00-0530",
            "2024/05/30 (Thu) 23:40",
            " 2024-05-31T01:40+02 ",
        ] {
            assert_eq!(ms(text), moment, "{text}");
        }
        assert_eq!(read(&Value::from(1_717_112_400_000_i64)), moment);
        assert_eq!(read(&serde_json::json!(1_717_112_400_000.7)), moment);
        assert_eq!(ms("1970-01-01"), Some(0));
        assert_eq!(ms("1969-12-31T23:59:59.999Z"), Some(-1));
        assert_eq!(ms("2000-02-29"), Some(951_782_400_000));
        assert_eq!((ms("0001-01-01"), ms("9999-12-31T23:59:59.999Z")), (Some(EARLIEST_MS), Some(LATEST_MS)));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "yesterday",
            "2023-02-29",
            "2024-13-01",
            "2024-05-32",
            "24-05-30",
            "2024-05-30T24:00",
            "2024-05-30T23:40+2",
            "2024-05-30T23:40Zulu",
            "2024-05-30-01",
            "٢٠٢٤-05-30",
            "é024-05-30T",
        ] {
            assert_eq!(ms(text), None, "{text}");
        }
        for value in [Value::Null, Value::from(i64::MAX), Value::from(f64::MAX), serde_json::json!([1])] {
            assert_eq!(read(&value), None, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,40}", tail in "[0-9T:+\\-/ .Z()]{0,30}") {
            let _ = (ms(&text), ms(&tail), ms(&format!("2024-05-30{text}{tail}")));
        }
    }
}
