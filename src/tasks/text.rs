//! Encoded texts of several lengths as one batch.

use candle_core::{Device, Tensor};

use crate::{
    error::{Error, Result},
    perceiver::tokenizer::Encoding,
};

/// Places that `[CLS]` and `[SEP]` take.
pub(super) const AROUND: usize = 2;

/// Byte ids and attention mask, each B × M, of encodings that were padded to one length M. The mask leaves the padding out.
///
/// # Errors
/// For an encoding of more tokens than the `places` a model has.
pub(super) fn tensors(encodings: &[Encoding], places: usize, device: &Device) -> Result<(Tensor, Tensor)> {
    let lengths = encodings.iter().map(|encoding| encoding.attention_mask.iter().sum::<u32>() as usize);
    if let Some((number, length)) = lengths.enumerate().find(|(_, length)| *length > places) {
        let name = if encodings.len() == 1 { "text".to_owned() } else { format!("text {number}") };
        let accepted = format!("at most {places} (max_position_embeddings), a byte each, [CLS] and [SEP] among them");
        return Err(Error::option(name, format!("{length} tokens"), accepted));
    }
    let tensor = |of: fn(&Encoding) -> &[u32]| -> Result<Tensor> {
        let rows: Vec<&[u32]> = encodings.iter().map(of).collect();
        Ok(Tensor::from_vec(rows.concat(), (rows.len(), rows.first().map_or(0, |row| row.len())), device)?)
    };
    Ok((tensor(|encoding| &encoding.input_ids)?, tensor(|encoding| &encoding.attention_mask)?))
}
