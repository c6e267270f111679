//! Latents as memory of buffers: between elements of one process they stay where the model left them, and nothing is copied.
//!
//! The type of memory is `PerceiverTensor`, and caps say so by the feature `memory:PerceiverTensor`. Whoever maps such memory without
//! knowing it finds the same bytes as in system memory: they are fetched from the device then, once, and stay with the memory. It can
//! only be read, and parts of it are copies in system memory.
//!
//! This file is the only one that touches GStreamer's C structures: a type of memory of one's own is not to be had otherwise.

use std::sync::OnceLock;

use gst::{glib, prelude::*};
use perceiverflow::tasks::Latents;

/// The caps feature of buffers with such memory.
pub(crate) const FEATURE: &str = "memory:PerceiverTensor";

glib::wrapper! {
    /// Makes nothing by itself: see [`write`].
    pub struct TensorAllocator(ObjectSubclass<imp::TensorAllocator>) @extends gst::Allocator, gst::Object;
}

/// The allocator that all such memory belongs to.
fn allocator() -> &'static TensorAllocator {
    static ALLOCATOR: OnceLock<TensorAllocator> = OnceLock::new();
    ALLOCATOR.get_or_init(|| {
        let allocator: TensorAllocator = glib::Object::new();
        // It stays as long as the process.
        allocator.set_object_flags(gst::ObjectFlags::MAY_BE_LEAKED);
        allocator
    })
}

/// A buffer of latents that stay where they are.
pub(crate) fn write(latents: Latents) -> gst::Buffer {
    let mut buffer = gst::Buffer::new();
    buffer.get_mut().expect("a new buffer has one owner").append_memory(imp::memory(latents));
    buffer
}

/// The latents of a buffer whose only memory they are.
pub(crate) fn read(buffer: &gst::BufferRef) -> Option<Latents> {
    let memory = if buffer.n_memory() == 1 { buffer.peek_memory(0) } else { return None };
    imp::of(memory).map(|memory| memory.latents.clone())
}

mod imp {
    use std::{
        ffi::{CStr, c_void},
        mem::size_of,
        panic::{AssertUnwindSafe, catch_unwind},
        ptr,
        sync::OnceLock,
    };

    use gst::{ffi, glib, prelude::*, subclass::prelude::*};
    use perceiverflow::tasks::Latents;

    use crate::tensor_bytes;

    const NAME: &CStr = c"PerceiverTensor";

    /// What GStreamer sees as `GstMemory`, with what only we know behind it.
    #[repr(C)]
    pub(super) struct TensorMemory {
        memory: ffi::GstMemory,
        pub(super) latents: Latents,
        /// What somebody has mapped; none where the device does not hand it over.
        pub(super) bytes: OnceLock<Option<Vec<u8>>>,
    }

    // Buffers go from thread to thread.
    const _: fn() = || {
        fn any_thread<T: Send + Sync>() {}
        any_thread::<Latents>();
    };

    #[derive(Default)]
    pub struct TensorAllocator;

    #[glib::object_subclass]
    impl ObjectSubclass for TensorAllocator {
        const NAME: &'static str = "GstPerceiverTensorAllocator";
        type Type = super::TensorAllocator;
        type ParentType = gst::Allocator;
    }

    impl ObjectImpl for TensorAllocator {
        #[allow(unsafe_code)]
        fn constructed(&self) {
            self.parent_constructed();
            let allocator: *mut ffi::GstAllocator = self.obj().upcast_ref::<gst::Allocator>().as_ptr();
            // SAFETY: the object was made a moment ago and nobody else has it; these are the fields that an allocator is to fill in.
            unsafe {
                (*allocator).mem_type = NAME.as_ptr();
                (*allocator).mem_map = Some(map);
                (*allocator).mem_unmap = Some(unmap);
                (*allocator).mem_share = Some(share);
                (*allocator).object.flags |= ffi::GST_ALLOCATOR_FLAG_CUSTOM_ALLOC;
            }
        }
    }

    impl GstObjectImpl for TensorAllocator {}

    // SAFETY: nothing is allocated by size, and what `memory` made is given back as what it was.
    #[allow(unsafe_code)]
    unsafe impl AllocatorImpl for TensorAllocator {
        unsafe fn alloc(&self, _size: usize, _params: &gst::AllocationParams) -> *mut ffi::GstMemory {
            ptr::null_mut()
        }

        unsafe fn free(&self, memory: *mut ffi::GstMemory) {
            // SAFETY: memory of this allocator comes from `Box::into_raw` in `memory`, and GStreamer frees it once.
            drop(unsafe { Box::from_raw(memory.cast::<TensorMemory>()) });
        }
    }

    /// Latents as memory.
    #[allow(unsafe_code)]
    pub(super) fn memory(latents: Latents) -> gst::Memory {
        let [n, d] = latents.dims();
        let size = n * d * size_of::<f32>();
        // SAFETY: `GstMemory` is a C structure of numbers and pointers, for which zero is a value.
        let memory = unsafe { std::mem::zeroed() };
        let memory = Box::into_raw(Box::new(TensorMemory { memory, latents, bytes: OnceLock::new() })).cast::<ffi::GstMemory>();
        let allocator: *mut ffi::GstAllocator = super::allocator().upcast_ref::<gst::Allocator>().as_ptr();
        // SAFETY: `memory` points to a structure that begins with a `GstMemory`, and stays until `free`; `gst_memory_init` gives it its
        // first reference, which is handed on.
        unsafe {
            ffi::gst_memory_init(memory, ffi::GST_MEMORY_FLAG_READONLY, allocator, ptr::null_mut(), size, 0, 0, size);
            glib::translate::from_glib_full(memory)
        }
    }

    /// What memory holds, if it is of this type.
    #[allow(unsafe_code)]
    pub(super) fn of(memory: &gst::MemoryRef) -> Option<&TensorMemory> {
        let ours = memory.allocator().is_some_and(|allocator| allocator == super::allocator().upcast_ref::<gst::Allocator>());
        // SAFETY: all memory of this allocator was made by `memory` above, and lives as long as the reference to it.
        ours.then(|| unsafe { &*memory.as_ptr().cast::<TensorMemory>() })
    }

    #[allow(unsafe_code)]
    unsafe extern "C" fn map(memory: *mut ffi::GstMemory, _size: usize, _flags: ffi::GstMapFlags) -> *mut c_void {
        // SAFETY: GStreamer calls the functions of an allocator with its memory, to which it holds a reference.
        let memory = unsafe { &*memory.cast::<TensorMemory>() };
        let fetch = || memory.latents.to_vec().ok().map(|numbers| tensor_bytes::bytes(&numbers));
        // A panic must not reach C.
        let bytes = memory.bytes.get_or_init(|| catch_unwind(AssertUnwindSafe(fetch)).unwrap_or_default());
        // Nobody writes there: the memory is read-only.
        bytes.as_ref().map_or(ptr::null_mut(), |bytes| bytes.as_ptr().cast_mut().cast())
    }

    #[allow(unsafe_code)]
    unsafe extern "C" fn unmap(_memory: *mut ffi::GstMemory) {}

    /// No part of it can be had without a copy.
    #[allow(unsafe_code)]
    unsafe extern "C" fn share(_memory: *mut ffi::GstMemory, _offset: isize, _size: isize) -> *mut ffi::GstMemory {
        ptr::null_mut()
    }
}

#[cfg(test)]
mod tests {
    use perceiverflow::{
        compute::{DeviceChoice, Precision},
        tasks::Autoencode,
    };

    use super::*;
    use crate::tensor_bytes;

    fn latents() -> Latents {
        gst::init().unwrap();
        let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/multimodal_autoencoding");
        let task = Autoencode::open(model, DeviceChoice::Cpu, Precision::F32).unwrap();
        let [n, d] = task.latent_dims();
        task.latents((0..n * d).map(|number| number as f32).collect()).unwrap()
    }

    fn fetched(buffer: &gst::BufferRef) -> bool {
        imp::of(buffer.peek_memory(0)).unwrap().bytes.get().is_some()
    }

    #[test]
    fn latents_pass_without_a_copy_and_bytes_are_fetched_for_who_maps_them() {
        let latents = latents();
        let buffer = write(latents.clone());
        assert!(buffer.peek_memory(0).is_type("PerceiverTensor"));
        let copied = buffer.copy();
        assert_eq!(read(&copied).unwrap().to_vec().unwrap(), latents.to_vec().unwrap());
        assert!(!fetched(&buffer), "nobody has asked for bytes");
        assert_eq!(tensor_bytes::read(&copied).unwrap(), latents.to_vec().unwrap());
        assert!(fetched(&buffer), "a copied buffer holds the same memory");
        let mut written = copied.copy();
        written.get_mut().unwrap().map_writable().unwrap().fill(0);
        assert!(read(&written).is_none(), "who writes has a copy");
        assert_eq!(tensor_bytes::read(&copied).unwrap(), latents.to_vec().unwrap());
    }

    #[test]
    fn parts_and_deep_copies_are_bytes() {
        let latents = latents();
        let bytes = tensor_bytes::bytes(&latents.to_vec().unwrap());
        let buffer = write(latents);
        let deep = buffer.copy_deep().unwrap();
        let part = buffer.copy_region(gst::BufferCopyFlags::MEMORY, 4..12).unwrap();
        assert!(read(&deep).is_none() && read(&part).is_none());
        assert_eq!((&deep.map_readable().unwrap()[..], &part.map_readable().unwrap()[..]), (&bytes[..], &bytes[4..12]));
        assert!(read(&gst::Buffer::from_mut_slice(bytes)).is_none() && read(&gst::Buffer::new()).is_none());
    }
}
