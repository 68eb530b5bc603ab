//! Whether the tensors are those that the hyperparameters announce.

use super::defect::{Checked, corrupt, incompatible, quoted};
use super::hyperparameters::Hyperparameters;
use super::tensor::{GgmlType, Tensor};

/// Checks what llama.cpp would refuse without a reason, or abort on while it computes.
pub(super) fn check_weights(tensors: &[Tensor], shape: &Hyperparameters, n_vocab: u64) -> Checked<()> {
    let n_embd = u64::from(shape.n_embd);
    let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name);
    match find("token_embd.weight") {
        None => return corrupt("the tensor \"token_embd.weight\" is missing"),
        Some(rows) => expect_shape(rows, [n_embd, n_vocab])?,
    }
    match find("output_norm.weight") {
        None if find("output_norm.bias").is_none() => return corrupt("the tensor \"output_norm.weight\" is missing"),
        _ => {}
    }
    find("output.weight").map_or(Ok(()), |rows| expect_shape(rows, [n_embd, n_vocab]))?;
    tensors.iter().try_for_each(check_type)?;
    check_blocks(tensors, shape)
}

/// llama.cpp adds and multiplies row vectors as F32 only, and has no matrix product for integer types.
fn check_type(tensor: &Tensor) -> Checked<()> {
    let row = tensor.shape.len() == 1;
    if row && tensor.ggml_type != GgmlType::F32 || !tensor.ggml_type.can_multiply() {
        let name = quoted(&tensor.name);
        return incompatible(format!("the tensor {name} is {:?}, which cannot be computed with", tensor.ggml_type));
    }
    Ok(())
}

fn check_blocks(tensors: &[Tensor], shape: &Hyperparameters) -> Checked<()> {
    let mut found = vec![false; shape.n_layer as usize];
    for tensor in tensors {
        let Some(rest) = tensor.name.strip_prefix("blk.") else { continue };
        let Some((number, part)) = rest.split_once('.') else { continue };
        let layer = number.parse::<usize>().ok().filter(|&layer| layer < found.len());
        let Some(layer) = layer else {
            return corrupt(format!("the tensor {} is of a layer that block_count has not", quoted(&tensor.name)));
        };
        found[layer] = true;
        check_part(tensor, part, shape, layer)?;
    }
    match found.iter().position(|found| !found) {
        Some(layer) => corrupt(format!("the tensors of layer {layer} are missing")),
        None => Ok(()),
    }
}

fn check_part(tensor: &Tensor, part: &str, shape: &Hyperparameters, layer: usize) -> Checked<()> {
    let n_embd = u64::from(shape.n_embd);
    let rows = |heads: u32, length: u32| u64::from(heads) * u64::from(length);
    let expected = match part {
        "attn_q.weight" => [n_embd, rows(shape.n_head[layer], shape.key_length)],
        "attn_k.weight" => [n_embd, rows(shape.n_head_kv[layer], shape.key_length)],
        "attn_v.weight" => [n_embd, rows(shape.n_head_kv[layer], shape.value_length)],
        "attn_output.weight" => [rows(shape.n_head[layer], shape.value_length), n_embd],
        "ffn_down.weight" if shape.n_expert == 0 => [u64::from(shape.n_ff[layer]), n_embd],
        _ => return Ok(()),
    };
    expect_shape(tensor, expected)
}

fn expect_shape(tensor: &Tensor, expected: [u64; 2]) -> Checked<()> {
    if tensor.shape == expected {
        return Ok(());
    }
    let name = quoted(&tensor.name);
    corrupt(format!("the tensor {name} has the shape {:?}, and the metadata says {expected:?}", tensor.shape))
}
