//! Bytes that leave no copy of themselves behind in this library: how a key crosses the border.
//!
//! UniFFI's own way for a byte array frees the buffer in which the other language wrote it as it is, so the key stood in
//! freed memory. That buffer is Rust's, and is wiped here. What the other language holds is out of reach: the app's
//! array, and in Swift one more that the generated code writes from.

use uniffi::{Lift, MetadataBuffer, RustBuffer, TypeId};
use zeroize::Zeroizing;

/// A byte array to the other language. Wiped when it is dropped.
#[allow(missing_debug_implementations, reason = "none of it is for logs")]
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.0
    }
}

impl From<Vec<u8>> for SecretBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl<UT> TypeId<UT> for SecretBytes {
    const TYPE_ID_META: MetadataBuffer = <Vec<u8> as TypeId<UT>>::TYPE_ID_META;
}

// SAFETY: read as UniFFI reads a `Vec<u8>`, from a buffer of the same type.
unsafe impl<UT> Lift<UT> for SecretBytes {
    type FfiType = RustBuffer;

    fn try_lift(buffer: RustBuffer) -> uniffi::Result<Self> {
        let arrived = Zeroizing::new(buffer.destroy_into_vec());
        let mut rest = arrived.as_slice();
        let bytes = <Self as Lift<UT>>::try_read(&mut rest)?;
        uniffi::deps::anyhow::ensure!(rest.is_empty(), "more arrived than a byte array");
        Ok(bytes)
    }

    fn try_read(buffer: &mut &[u8]) -> uniffi::Result<Self> {
        // Its room is reserved at once: a vector that grows leaves copies behind.
        Ok(Self(Zeroizing::new(<Vec<u8> as Lift<UT>>::try_read(buffer)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lift(written: Vec<u8>) -> uniffi::Result<SecretBytes> {
        <SecretBytes as Lift<crate::UniFfiTag>>::try_lift(RustBuffer::from_vec(written))
    }

    #[test]
    fn a_byte_array_arrives_whole_and_anything_else_is_refused() {
        let written = [&[0, 0, 0, 3][..], &[7, 8, 9]].concat();
        assert_eq!(lift(written.clone()).expect("three bytes").as_slice(), [7, 8, 9]);
        assert!(lift([&written[..], &[1]].concat()).is_err());
        assert!(lift(written[..6].to_vec()).is_err());
    }
}
