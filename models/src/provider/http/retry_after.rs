//! The times in headers: seconds, a date, or a length such as `6m0s`.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `Retry-After`: seconds from now, or a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds.max(0.0)).ok();
    }
    let at = UNIX_EPOCH + Duration::from_secs(date(value)?);
    Some(at.duration_since(now).unwrap_or_default())
}

/// `1s`, `6m0s`, `20ms`, `1h2m`, or bare seconds: how endpoints say when a limit is reset.
pub(super) fn length(value: &str) -> Option<Duration> {
    let mut rest = value.trim();
    if let Ok(seconds) = rest.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ms" => number / 1000.0,
            "s" => number,
            "m" => number * 60.0,
            "h" => number * 3600.0,
            "d" => number * 86_400.0,
            _ => return None,
        };
        total += Duration::try_from_secs_f64(seconds).ok()?;
        rest = &rest[unit..];
    }
    Some(total)
}

/// Seconds since 1970 of `Wed, 21 Oct 2015 07:28:00 GMT`.
fn date(value: &str) -> Option<u64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<_> = value.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let number = |text: &str| text.parse::<u64>().ok();
    let (year, day) = (number(year).filter(|year| (1970..10_000).contains(year))?, number(day)?);
    let (hour, minute, second) = (number(hour)?, number(minute)?, number(second)?);
    if !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days from the civil date (Hinnant): years begin in March, so the leap day is the last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    let since_1970 = days.checked_sub(719_468)?;
    Some(since_1970 * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_dates_and_lengths_are_read() {
        let now = UNIX_EPOCH + Duration::from_secs(1_445_412_480 - 30);
        assert_eq!(retry_after("2", now), Some(Duration::from_secs(2)));
        assert_eq!(retry_after("0.5", now), Some(Duration::from_millis(500)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now), Some(Duration::from_secs(30)));
        assert_eq!(retry_after("Wed, 21 Oct 2015 07:28:00 GMT", now + Duration::from_secs(99)), Some(Duration::ZERO));
        assert_eq!(length("6m0s"), Some(Duration::from_secs(360)));
        assert_eq!(length("20ms"), Some(Duration::from_millis(20)));
        assert_eq!(length("1.5"), Some(Duration::from_millis(1500)));
    }

    #[test]
    fn nonsense_is_nothing() {
        for text in ["", "soon", "NaN", "Wed, 99 Oct 2015 07:28:00 GMT", "Wed, 21 Xyz 2015 07:28:00 GMT", "1e400"] {
            let read = retry_after(text, UNIX_EPOCH);
            assert!(read.is_none_or(|wait| wait.is_zero()), "{text}: {read:?}");
        }
        assert_eq!(length("x"), None);
        assert_eq!(length("5parsecs"), None);
    }
}
