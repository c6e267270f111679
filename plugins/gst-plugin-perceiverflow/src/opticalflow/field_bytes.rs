//! A field as the bytes of the media that downstream accepts.

use perceiverflow::{Result, formats::flo, media::FlowField};

use crate::caps::FieldMedia;

/// The field in this form.
///
/// # Errors
/// When the form has no room for a field of this size.
pub(super) fn field_bytes(field: &FlowField, media: FieldMedia) -> Result<Vec<u8>> {
    match media {
        FieldMedia::Tensors => Ok(field.uv().as_flattened().iter().flat_map(|component| component.to_ne_bytes()).collect()),
        FieldMedia::Flo => flo::encode(field),
    }
}
