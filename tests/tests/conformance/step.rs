//! One step of a case: its fields, with names of what earlier steps kept put in.

use std::collections::HashMap;

use serde_json::Value;

pub(crate) struct Step<'a> {
    pub(crate) fields: &'a Value,
    pub(crate) kept: &'a HashMap<String, String>,
}

impl Step<'_> {
    pub(crate) fn text(&self, name: &str) -> String {
        self.optional(name).unwrap_or_else(|| panic!("a step has no field {name}: {}", self.fields))
    }

    pub(crate) fn optional(&self, name: &str) -> Option<String> {
        self.fields[name].as_str().map(|text| self.filled(text))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        let text = self.text(name);
        let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("two hexadecimal digits");
        (0..text.len()).step_by(2).map(byte).collect()
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        match &self.fields[name] {
            Value::String(text) => self.filled(text).parse().ok(),
            value => value.as_i64(),
        }
    }

    pub(crate) fn unsigned(&self, name: &str) -> Option<u32> {
        self.number(name).map(|number| u32::try_from(number).expect("a number that is not negative"))
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.fields[name] == true
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.fields[name].as_array().expect("a list");
        list.iter().map(|text| self.filled(text.as_str().expect("a text"))).collect()
    }

    pub(crate) fn steps(&self, name: &str) -> &[Value] {
        self.fields[name].as_array().expect("a list of steps")
    }

    fn filled(&self, text: &str) -> String {
        self.kept.iter().fold(text.to_owned(), |filled, (name, value)| filled.replace(&format!("${name}"), value))
    }

    /// What a list must hold.
    pub(crate) fn check(&self, texts: &[String]) {
        if let Some(count) = self.number("count") {
            assert_eq!(texts.len() as i64, count, "{}: {texts:?}", self.fields);
        }
        if let Some(least) = self.number("count_at_least") {
            assert!(texts.len() as i64 >= least, "{}: {texts:?}", self.fields);
        }
        if let Some(words) = self.optional("contains") {
            assert!(texts.iter().any(|text| text.contains(&words)), "{}: {texts:?}", self.fields);
        }
    }
}
