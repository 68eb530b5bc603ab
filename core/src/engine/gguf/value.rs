//! The metadata of a GGUF file: keys and typed values.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::defect::{Checked, Defect, corrupt, quoted};
use super::source::Source;
use super::tokens::Tokens;

/// The key whose strings are kept; of other string arrays only the count is.
const TOKENS_KEY: &str = "tokenizer.ggml.tokens";
/// Longest key, as the format's specification has it.
const MAX_KEY_BYTES: u64 = 65_535;
/// Strings longer than this are counted, not kept: no key the engine reads is that long.
const MAX_TEXT_BYTES: u64 = 1 << 20;
/// All texts kept together.
const MAX_KEPT_BYTES: u64 = 8 << 20;
/// Per-layer arrays are kept; those as long as the vocabulary are only counted.
const MAX_KEPT_INTEGERS: u64 = 4096;
const MAX_KEYS: u64 = 65_536;

/// The type of a value, or of an array's elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum ValueType {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    Bool,
    Text,
    U64,
    I64,
    F64,
}

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Value {
    U8(u8),
    I8(i8),
    U16(u16),
    I16(i16),
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    Text(String),
    U64(u64),
    I64(i64),
    F64(f64),
    /// A string of this many bytes that is too long to keep or not UTF-8.
    Opaque(u64),
    Array(Array),
}

/// An array: its type and length, and its integers where it is short.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The type of the elements.
    pub element: ValueType,
    /// The number of elements.
    pub count: u64,
    /// The elements, where they are integers and 4096 at most.
    pub integers: Option<Vec<i64>>,
}

/// Keys and values of a file. No getter panics or converts: another type reads as absent.
#[derive(Debug, Clone, Default)]
pub struct Metadata {
    values: BTreeMap<String, Value>,
}

impl Metadata {
    /// The value of a key, whatever its type.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// The value of a key if it is a text.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The value of a key if it is an unsigned 32-bit integer.
    #[must_use]
    pub fn u32(&self, key: &str) -> Option<u32> {
        match self.get(key) {
            Some(Value::U32(value)) => Some(*value),
            _ => None,
        }
    }

    /// The value of a key if it is a 32-bit float.
    #[must_use]
    pub fn f32(&self, key: &str) -> Option<f32> {
        match self.get(key) {
            Some(Value::F32(value)) => Some(*value),
            _ => None,
        }
    }

    /// The value of a key if it is a truth value.
    #[must_use]
    pub fn bool(&self, key: &str) -> Option<bool> {
        match self.get(key) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        }
    }

    /// The value of a key if it is an array.
    #[must_use]
    pub fn array(&self, key: &str) -> Option<&Array> {
        match self.get(key) {
            Some(Value::Array(array)) => Some(array),
            _ => None,
        }
    }

    /// As the getter of the same type, but a value of another type is a defect: llama.cpp asserts on some of these.
    pub(super) fn optional<T>(&self, key: &str, got: Option<T>) -> Checked<Option<T>> {
        if got.is_none() && self.values.contains_key(key) {
            return corrupt(format!("the metadata key {} has the wrong type", quoted(key)));
        }
        Ok(got)
    }

    pub(super) fn required<T>(&self, key: &str, got: Option<T>) -> Checked<T> {
        match self.optional(key, got)? {
            Some(value) => Ok(value),
            None => corrupt(format!("the metadata key {} is missing", quoted(key))),
        }
    }

    pub(super) fn read<R: Read + Seek>(source: &mut Source<R>, count: u64) -> Checked<(Self, Tokens)> {
        source.expect_room(count, 14, "a metadata count of")?;
        if count > MAX_KEYS {
            return corrupt(format!("a metadata count of {count}"));
        }
        let mut values = BTreeMap::new();
        let mut tokens = Tokens::default();
        let mut kept = 0;
        for _ in 0..count {
            let key = read_name(source, MAX_KEY_BYTES, "metadata key")?;
            kept += key.len() as u64;
            let value = read_value(source, &key, &mut tokens, &mut kept)?;
            if kept > MAX_KEPT_BYTES {
                return corrupt("the metadata holds more text than any model's");
            }
            let shown = quoted(&key);
            if values.insert(key, value).is_some() {
                return corrupt(format!("the metadata key {shown} is there twice"));
            }
        }
        Ok((Self { values }, tokens))
    }
}

/// A name of the file: 1 to `max` bytes of UTF-8 without NUL.
pub(super) fn read_name<R: Read + Seek>(source: &mut Source<R>, max: u64, what: &str) -> Checked<String> {
    let at = source.position();
    let length = source.u64()?;
    if length == 0 || length > max {
        return corrupt(format!("the {what} at byte {at} is {length} bytes long; 1 to {max} are allowed"));
    }
    let mut bytes = Vec::new();
    source.append(length, &mut bytes)?;
    match String::from_utf8(bytes) {
        Ok(name) if !name.contains('\0') => Ok(name),
        _ => corrupt(format!("the {what} at byte {at} is not a text")),
    }
}

fn read_value<R: Read + Seek>(
    source: &mut Source<R>,
    key: &str,
    tokens: &mut Tokens,
    kept: &mut u64,
) -> Checked<Value> {
    let number = source.u32()?;
    if number == 9 {
        return read_array(source, key, tokens).map(Value::Array);
    }
    Ok(match value_type(number, key)? {
        ValueType::U8 => Value::U8(u8::from_le_bytes(source.array()?)),
        ValueType::I8 => Value::I8(i8::from_le_bytes(source.array()?)),
        ValueType::U16 => Value::U16(u16::from_le_bytes(source.array()?)),
        ValueType::I16 => Value::I16(i16::from_le_bytes(source.array()?)),
        ValueType::U32 => Value::U32(source.u32()?),
        ValueType::I32 => Value::I32(i32::from_le_bytes(source.array()?)),
        ValueType::F32 => Value::F32(f32::from_le_bytes(source.array()?)),
        ValueType::Bool => Value::Bool(source.array::<1>()? != [0]),
        ValueType::Text => read_text(source, kept)?,
        ValueType::U64 => Value::U64(source.u64()?),
        ValueType::I64 => Value::I64(i64::from_le_bytes(source.array()?)),
        ValueType::F64 => Value::F64(f64::from_le_bytes(source.array()?)),
    })
}

fn read_text<R: Read + Seek>(source: &mut Source<R>, kept: &mut u64) -> Checked<Value> {
    let length = source.u64()?;
    if length > MAX_TEXT_BYTES {
        source.skip(length)?;
        return Ok(Value::Opaque(length));
    }
    let mut bytes = Vec::new();
    source.append(length, &mut bytes)?;
    *kept += length;
    Ok(String::from_utf8(bytes).map_or(Value::Opaque(length), Value::Text))
}

fn read_array<R: Read + Seek>(source: &mut Source<R>, key: &str, tokens: &mut Tokens) -> Checked<Array> {
    let element = value_type(source.u32()?, key)?;
    let count = source.u64()?;
    let size = element.size();
    source.expect_room(count, size, "an array length of")?;
    let mut integers = None;
    match element {
        ValueType::Text if key == TOKENS_KEY => *tokens = Tokens::read(source, count)?,
        ValueType::Text => {
            for _ in 0..count {
                let length = source.u64()?;
                source.skip(length)?;
            }
        }
        _ if element.is_integer() && count <= MAX_KEPT_INTEGERS => {
            let mut bytes = Vec::new();
            source.append(count * size, &mut bytes)?;
            integers = Some(bytes.chunks_exact(size as usize).map(|b| integer(element, b)).collect());
        }
        _ => source.skip(count * size)?,
    }
    Ok(Array { element, count, integers })
}

fn integer(element: ValueType, bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    wide[..bytes.len()].copy_from_slice(bytes);
    let value = i64::from_le_bytes(wide);
    match element {
        ValueType::I8 => i64::from(value as i8),
        ValueType::I16 => i64::from(value as i16),
        ValueType::I32 => i64::from(value as i32),
        _ => value,
    }
}

fn value_type(number: u32, key: &str) -> Checked<ValueType> {
    Ok(match number {
        0 => ValueType::U8,
        1 => ValueType::I8,
        2 => ValueType::U16,
        3 => ValueType::I16,
        4 => ValueType::U32,
        5 => ValueType::I32,
        6 => ValueType::F32,
        7 => ValueType::Bool,
        8 => ValueType::Text,
        10 => ValueType::U64,
        11 => ValueType::I64,
        12 => ValueType::F64,
        _ => return Err(Defect::Corrupt(format!("the metadata key {} has the unknown type {number}", quoted(key)))),
    })
}

impl ValueType {
    /// Bytes of an element; of a string its length field, the least it takes.
    fn size(self) -> u64 {
        match self {
            Self::U8 | Self::I8 | Self::Bool => 1,
            Self::U16 | Self::I16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::Text | Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    fn is_integer(self) -> bool {
        !matches!(self, Self::F32 | Self::F64 | Self::Text)
    }
}
