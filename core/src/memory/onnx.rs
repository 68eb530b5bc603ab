//! A look at an ONNX file before the runtime sees it: whole, and with all its weights inside.
//!
//! ONNX is protobuf. A tensor may name a file that holds its data ("external data"), and a model loaded from memory
//! would look for it in the process's working folder: such a model is refused. Only the fields on the way to a tensor
//! are walked; what is in between is skipped by its length, so a truncated file is found here too.

/// Why a file is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Not protobuf, cut short, or nested deeper than any real model.
    Damaged,
    /// Parts of it lie in other files.
    ExternalData,
}

/// The messages of onnx.proto on the way to a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Model,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Function,
    Tensor,
}

/// Subgraphs of control flow nest by four messages a level; real models stay below ten levels.
const DEEPEST: usize = 64;
const TENSOR_EXTERNAL_DATA: u64 = 13;
const TENSOR_DATA_LOCATION: u64 = 14;

/// Passes a model that is whole and holds all its weights.
pub(super) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    if bytes.is_empty() { Err(Refusal::Damaged) } else { walk(bytes, Kind::Model, 0) }
}

/// The kind of message in a field, by the field numbers of onnx.proto.
fn child(kind: Kind, field: u64) -> Option<Kind> {
    match (kind, field) {
        (Kind::Model, 7) => Some(Kind::Graph),
        (Kind::Model, 25) => Some(Kind::Function),
        (Kind::Graph, 1) | (Kind::Function, 7) => Some(Kind::Node),
        (Kind::Graph, 5) => Some(Kind::Tensor),
        (Kind::Graph, 15) => Some(Kind::SparseTensor),
        (Kind::Node, 5) | (Kind::Function, 11) => Some(Kind::Attribute),
        (Kind::Attribute, 5 | 10) => Some(Kind::Tensor),
        (Kind::Attribute, 6 | 11) => Some(Kind::Graph),
        (Kind::Attribute, 22 | 23) => Some(Kind::SparseTensor),
        (Kind::SparseTensor, 1 | 2) => Some(Kind::Tensor),
        _ => None,
    }
}

fn walk(mut bytes: &[u8], kind: Kind, depth: usize) -> Result<(), Refusal> {
    if depth > DEEPEST {
        return Err(Refusal::Damaged);
    }
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let (field, wire_type) = (tag >> 3, tag & 7);
        let value = match wire_type {
            0 => Value::Number(varint(&mut bytes)?),
            1 => Value::Bytes(take(&mut bytes, 8)?),
            2 => Value::Bytes({
                let length = varint(&mut bytes)?;
                take(&mut bytes, usize::try_from(length).map_err(|_| Refusal::Damaged)?)?
            }),
            5 => Value::Bytes(take(&mut bytes, 4)?),
            _ => return Err(Refusal::Damaged),
        };
        let external = matches!(
            (kind, field, &value),
            (Kind::Tensor, TENSOR_EXTERNAL_DATA, _) | (Kind::Tensor, TENSOR_DATA_LOCATION, Value::Number(1))
        );
        if external {
            return Err(Refusal::ExternalData);
        }
        if let (Some(child), Value::Bytes(inner)) = (child(kind, field), value) {
            walk(inner, child, depth + 1)?;
        }
    }
    Ok(())
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], Refusal> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Refusal::Damaged)?;
    *bytes = rest;
    Ok(taken)
}

fn varint(bytes: &mut &[u8]) -> Result<u64, Refusal> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)?[0];
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Refusal::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(field: u8, inner: &[u8]) -> Vec<u8> {
        let length = u8::try_from(inner.len()).expect("test messages are short");
        [&[field << 3 | 2, length], inner].concat()
    }

    fn model_with_tensor(tensor: &[u8]) -> Vec<u8> {
        message(7, &message(5, tensor))
    }

    #[test]
    fn a_tensor_in_another_file_is_refused_wherever_it_is() {
        let location = [14 << 3, 1];
        let named = message(13, b"weights.bin");
        assert_eq!(check(&model_with_tensor(&location)), Err(Refusal::ExternalData));
        assert_eq!(check(&model_with_tensor(&named)), Err(Refusal::ExternalData));
        let in_subgraph = message(7, &message(1, &message(5, &message(6, &message(5, &location)))));
        assert_eq!(check(&in_subgraph), Err(Refusal::ExternalData));
        assert_eq!(check(&model_with_tensor(&[14 << 3, 0])), Ok(()));
    }

    #[test]
    fn a_model_cut_anywhere_inside_a_field_is_damaged() {
        let whole = model_with_tensor(&message(9, b"numbers"));
        assert_eq!(check(&whole), Ok(()));
        for length in 0..whole.len() {
            assert_eq!(check(&whole[..length]), Err(Refusal::Damaged), "cut to {length}");
        }
    }

    #[test]
    fn endless_nesting_and_lengths_beyond_the_file_are_damaged() {
        let mut nested = vec![];
        for _ in 0..40 {
            nested = message(1, &message(5, &message(6, &nested[..nested.len().min(100)])));
        }
        let _ = check(&nested);
        assert_eq!(check(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]), Err(Refusal::Damaged));
        assert_eq!(check(&[0xff; 32]), Err(Refusal::Damaged));
    }
}
