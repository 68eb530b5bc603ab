//! The day that a template may write into a prompt: given by the caller, so that prompts can be repeated.

/// A day of the Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CivilDate {
    year: u16,
    month: u8,
    day: u8,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const WEEKDAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl CivilDate {
    /// A day; `None` if there is no such day, or its year is not one of 1583 to 9999.
    #[must_use]
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let days = match month {
            2 => 28 + u8::from(leap),
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => return None,
        };
        ((1583..=9999).contains(&year) && (1..=days).contains(&day)).then_some(Self { year, month, day })
    }

    /// The day in the form of C's `strftime`, in English; a day has no time, so that hours and minutes are 0.
    pub(super) fn format(self, form: &str) -> String {
        let mut out = String::new();
        let mut rest = form.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match rest.next() {
                Some('-') => out.push_str(self.field(rest.next()).trim_start_matches('0')),
                field => out.push_str(&self.field(field)),
            }
        }
        out
    }

    fn field(self, letter: Option<char>) -> String {
        let (month, weekday) = (MONTHS[usize::from(self.month) - 1], WEEKDAYS[self.weekday()]);
        match letter {
            Some('d') => format!("{:02}", self.day),
            Some('e') => format!("{:2}", self.day),
            Some('m') => format!("{:02}", self.month),
            Some('b' | 'h') => month[..3].to_owned(),
            Some('B') => month.to_owned(),
            Some('Y') => self.year.to_string(),
            Some('y') => format!("{:02}", self.year % 100),
            Some('a') => weekday[..3].to_owned(),
            Some('A') => weekday.to_owned(),
            Some('F') => self.format("%Y-%m-%d"),
            Some('H' | 'M' | 'S') => "00".to_owned(),
            Some('%') => "%".to_owned(),
            Some(other) => format!("%{other}"),
            None => "%".to_owned(),
        }
    }

    /// Sakamoto's method; 0 is Sunday.
    fn weekday(self) -> usize {
        const SHIFT: [usize; 12] = [0, 3, 2, 5, 0, 3, 5, 1, 4, 6, 2, 4];
        let year = usize::from(self.year) - usize::from(self.month < 3);
        let shift = SHIFT[usize::from(self.month) - 1];
        (year + year / 4 - year / 100 + year / 400 + shift + usize::from(self.day)) % 7
    }
}

#[cfg(test)]
mod tests {
    use super::CivilDate;

    #[test]
    fn a_day_is_written_as_strftime_does() {
        let day = CivilDate::new(2024, 7, 6).expect("a day");
        assert_eq!(day.format("%d %b %Y"), "06 Jul 2024");
        assert_eq!(day.format("%A, %-d %B %y, %F %H:%M 100%%"), "Saturday, 6 July 24, 2024-07-06 00:00 100%");
        assert_eq!(CivilDate::new(2000, 2, 29).map(|day| day.format("%a %e")), Some("Tue 29".into()));
        assert_eq!(CivilDate::new(1900, 2, 29), None);
        assert_eq!(day.format("%"), "%");
    }
}
