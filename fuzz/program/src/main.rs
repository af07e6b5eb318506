//! The program that libFuzzer drives: gives its bytes to the target that `EG_FUZZ_TARGET` names.
//!
//! The targets themselves are in `fuzz/targets`, a member of the workspace.
#![no_main]

use std::sync::LazyLock;

use eg_fuzz::Target;

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("EG_FUZZ_TARGET").unwrap_or_default();
    eg_fuzz::find(&name).unwrap_or_else(|| panic!("EG_FUZZ_TARGET names no target: `{name}`"))
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    (TARGET.run)(&bytes[..bytes.len().min(TARGET.bytes_max)]);
});
