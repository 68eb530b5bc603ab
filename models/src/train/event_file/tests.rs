//! What was written is read back by a decoder of its own.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;

/// A field of a message: its number, and a number or its bytes.
#[derive(Debug, Clone, PartialEq)]
enum Part {
    Number(u64),
    Bytes(Vec<u8>),
}

fn read_varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

fn take(bytes: &mut &[u8], count: usize) -> Vec<u8> {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken.to_vec()
}

fn parts(mut bytes: &[u8]) -> Vec<(u64, Part)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = read_varint(&mut bytes);
        let part = match key & 7 {
            0 => Part::Number(read_varint(&mut bytes)),
            1 => Part::Bytes(take(&mut bytes, 8)),
            5 => Part::Bytes(take(&mut bytes, 4)),
            2 => {
                let length = read_varint(&mut bytes) as usize;
                Part::Bytes(take(&mut bytes, length))
            }
            kind => panic!("no field is of the kind {kind}"),
        };
        found.push((key >> 3, part));
    }
    found
}

fn bytes_of(found: &[(u64, Part)], number: u64) -> Vec<Vec<u8>> {
    let of = |(at, part): &(u64, Part)| match part {
        Part::Bytes(bytes) if *at == number => Some(bytes.clone()),
        _ => None,
    };
    found.iter().filter_map(of).collect()
}

/// Step and the parts of each record of a file, its checksums proven.
fn records(path: &Path) -> Vec<(u64, Vec<(u64, Part)>)> {
    let bytes = std::fs::read(path).expect("read");
    let (mut rest, mut found) = (&bytes[..], Vec::new());
    while !rest.is_empty() {
        let length = take(&mut rest, 8);
        let crc = |of: &[u8], stored: Vec<u8>| {
            let value = crc32c::crc32c(of);
            let masked = value.rotate_right(15).wrapping_add(0xa282_ead8);
            assert_eq!(masked.to_le_bytes().to_vec(), stored);
        };
        crc(&length, take(&mut rest, 4));
        let count = u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize;
        let data = take(&mut rest, count);
        crc(&data, take(&mut rest, 4));
        let event = parts(&data);
        let step = event.iter().find_map(|(at, part)| match part {
            Part::Number(step) if *at == 2 => Some(*step),
            _ => None,
        });
        found.push((step.expect("an event has a step"), event));
    }
    found
}

fn scalars(event: &[(u64, Part)]) -> BTreeMap<String, f32> {
    let summaries = bytes_of(event, 5);
    let values = summaries.iter().flat_map(|summary| bytes_of(&parts(summary), 1));
    let scalar = |value: Vec<u8>| {
        let value = parts(&value);
        let tag = String::from_utf8(bytes_of(&value, 1).remove(0)).expect("UTF-8");
        let number: [u8; 4] = bytes_of(&value, 2).remove(0).try_into().expect("four bytes");
        (tag, f32::from_le_bytes(number))
    };
    values.map(scalar).collect()
}

#[test]
fn the_checksum_is_that_of_the_format() {
    // CRC-32C of 32 zero bytes is 8a9136aa (RFC 3720, B.4).
    assert_eq!(crc32c::crc32c(&[0; 32]), 0x8a91_36aa);
    assert_eq!(masked_crc(&[0; 32]), 0x8a91_36aa_u32.rotate_left(17).wrapping_add(0xa282_ead8));
}

#[test]
fn what_was_measured_is_read_back_under_the_names_of_the_field() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let mut events = EventFile::open(folder.path(), 0, false).expect("opened");
    let figures =
        json!({ "step": 300, "loss": 0.5, "rewards/margins": -1.25, "lr": 1e-5, "peak_mib": 306, "none": null });
    events.write("train", 300, &figures).expect("written");
    events.write("eval", 300, &json!({ "step": 300, "eval_loss": 0.25 })).expect("written");
    let records = records(&events.path);
    assert_eq!(bytes_of(&records[0].1, 3), [b"brain.Event:2"]);
    assert_eq!(records[1].0, 300);
    let expected = [
        ("train/learning_rate", 1e-5),
        ("train/loss", 0.5),
        ("train/peak_memory_mib", 306.0),
        ("train/rewards/margins", -1.25),
    ];
    assert_eq!(scalars(&records[1].1), expected.map(|(tag, value)| (tag.to_owned(), value)).into());
    assert_eq!(scalars(&records[2].1), [("eval/loss".to_owned(), 0.25)].into());
}

#[test]
fn a_run_that_goes_on_tells_what_is_done_again_and_one_that_begins_anew_leaves_nothing() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let first = EventFile::open(folder.path(), 0, false).expect("opened").path;
    let second = EventFile::open(folder.path(), 7, true).expect("opened").path;
    assert!(first.exists() && first.file_name() < second.file_name());
    let started = &records(&second)[1];
    // The first step that is done again, with SessionLog { status: START }.
    assert_eq!((started.0, bytes_of(&started.1, 7)), (8, vec![vec![8, 1]]));
    let third = EventFile::open(folder.path(), 0, false).expect("opened").path;
    assert_eq!(existing(folder.path()).expect("listed"), [third]);
}
