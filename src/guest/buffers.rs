//! The buffers that Fluent Bit asks for with each call: one for the tag, one for the record.
//!
//! It frees both after the call, so two are kept for that: libc's `malloc` and `free` take an interpreter a tenth of the
//! time that a record costs. What does not fit, or comes while both are taken, is libc's to give.

#![expect(unsafe_code, reason = "an allocator, which has to trust the addresses that it is given")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_free(at: *mut c_void);
    fn calloc(count: usize, size: usize) -> *mut c_void;
    fn realloc(at: *mut c_void, size: usize) -> *mut c_void;
}

/// A buffer of so many bytes, and whether somebody has it.
#[repr(C, align(16))]
struct Buffer<const SIZE: usize> {
    bytes: UnsafeCell<[u8; SIZE]>,
    is_taken: Cell<bool>,
}

// SAFETY: the module has one thread.
unsafe impl<const SIZE: usize> Sync for Buffer<SIZE> {}

impl<const SIZE: usize> Buffer<SIZE> {
    const fn new() -> Self {
        Self { bytes: UnsafeCell::new([0; SIZE]), is_taken: Cell::new(false) }
    }
}

static TAG: Buffer<256> = Buffer::new();
static RECORD: Buffer<{ 16 << 10 }> = Buffer::new();

/// As in C.
#[unsafe(no_mangle)]
pub extern "C" fn malloc(size: usize) -> *mut c_void {
    if size <= 256 && !TAG.is_taken.replace(true) {
        return TAG.bytes.get().cast();
    }
    if size <= 16 << 10 && !RECORD.is_taken.replace(true) {
        return RECORD.bytes.get().cast();
    }
    // SAFETY: it takes any size.
    unsafe { __libc_malloc(size) }
}

/// As in C.
///
/// # Safety
/// The address has to be NULL or from [`malloc`], and not freed yet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn free(at: *mut c_void) {
    if at == TAG.bytes.get().cast() {
        TAG.is_taken.set(false);
    } else if at == RECORD.bytes.get().cast() {
        RECORD.is_taken.set(false);
    } else {
        // SAFETY: the caller vouches for it, and it is none of ours.
        unsafe { __libc_free(at) }
    }
}

/// The module's own memory, which comes from libc past the buffers above: they would not survive a `realloc`.
struct Libc;

#[global_allocator]
static LIBC: Libc = Libc;

/// What libc aligns to, whatever the size. Nothing in this module wants more.
const ALIGN: usize = 16;

// SAFETY: libc's functions do what is asked for up to that alignment, and nothing here unwinds.
unsafe impl GlobalAlloc for Libc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGN {
            return std::ptr::null_mut();
        }
        // SAFETY: it takes any size.
        unsafe { __libc_malloc(layout.size()) }.cast()
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() > ALIGN {
            return std::ptr::null_mut();
        }
        // SAFETY: it takes any size.
        unsafe { calloc(layout.size(), 1) }.cast()
    }

    unsafe fn realloc(&self, at: *mut u8, _: Layout, size: usize) -> *mut u8 {
        // SAFETY: the address came from one of these functions.
        unsafe { realloc(at.cast(), size) }.cast()
    }

    unsafe fn dealloc(&self, at: *mut u8, _: Layout) {
        // SAFETY: as above.
        unsafe { __libc_free(at.cast()) }
    }
}
