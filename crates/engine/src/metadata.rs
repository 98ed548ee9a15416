//! What a model file says about itself.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char};
use std::ptr;

use ort::AsPointer;
use ort::memory::Allocator;
use ort::session::{ModelMetadata, Session};
use serde::{Deserialize, Serialize};

/// What a model file says about itself. Text that is not UTF-8 is shown with replacement characters.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// The program that wrote the file.
    pub producer: Option<String>,
    /// The version of ONNX's own operators that it asks for.
    pub opset: Option<u32>,
    /// Keys and values of the exporter's choice.
    pub custom: BTreeMap<String, String>,
}

impl Metadata {
    pub(crate) fn of(session: &Session) -> Self {
        let Ok(metadata) = session.metadata() else { return Self::default() };
        Self {
            producer: metadata.producer().filter(|name| !name.is_empty()),
            opset: session.opset_for_domain(""),
            custom: custom(&metadata),
        }
    }
}

/// The crate's own reader gives up on all keys when one is not UTF-8, and cannot tell a value that is not UTF-8 from a
/// missing one; so this asks the C interface itself.
fn custom(metadata: &ModelMetadata<'_>) -> BTreeMap<String, String> {
    let allocator = Allocator::default();
    let (mut keys, mut count) = (ptr::null_mut::<*mut c_char>(), 0i64);
    // SAFETY: both handles are alive; the runtime fills in an array of `count` strings from that allocator.
    let status = unsafe {
        (ort::api().ModelMetadataGetCustomMetadataMapKeys)(
            metadata.ptr(),
            allocator.ptr().cast_mut(),
            &mut keys,
            &mut count,
        )
    };
    if failed(status) || keys.is_null() {
        return BTreeMap::new();
    }
    let mut found = BTreeMap::new();
    for index in 0..usize::try_from(count).unwrap_or(0) {
        // SAFETY: `index` is below the count the runtime gave, each entry is a string that ends with a NUL, and each is
        // given back once.
        unsafe {
            let key = *keys.add(index);
            if let Some(value) = value(metadata, &allocator, key) {
                found.insert(CStr::from_ptr(key).to_string_lossy().into_owned(), value);
            }
            release(&allocator, key);
        }
    }
    // SAFETY: the array itself came from that allocator too.
    unsafe { release(&allocator, keys) };
    found
}

/// Looks one value up.
///
/// # Safety
/// `key` must be a string that ends with a NUL.
unsafe fn value(metadata: &ModelMetadata<'_>, allocator: &Allocator, key: *const c_char) -> Option<String> {
    let mut found = ptr::null_mut::<c_char>();
    // SAFETY: the handles are alive, and the caller vouches for the key.
    let status = unsafe {
        (ort::api().ModelMetadataLookupCustomMetadataMap)(metadata.ptr(), allocator.ptr().cast_mut(), key, &mut found)
    };
    if failed(status) || found.is_null() {
        return None;
    }
    // SAFETY: the runtime gave a string that ends with a NUL, from that allocator.
    unsafe {
        let text = CStr::from_ptr(found).to_string_lossy().into_owned();
        release(allocator, found);
        Some(text)
    }
}

fn failed(status: ort::sys::OrtStatusPtr) -> bool {
    // SAFETY: the status came from the runtime just now and is given up here.
    unsafe { ort::Error::result_from_status(status) }.is_err()
}

/// Gives memory back.
///
/// # Safety
/// `memory` must have come from `allocator` and not have been given back.
unsafe fn release<T>(allocator: &Allocator, memory: *mut T) {
    // SAFETY: as the caller says.
    unsafe { allocator.free(memory) };
}
