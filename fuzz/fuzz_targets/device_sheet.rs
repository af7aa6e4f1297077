#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pulso_api::fuzzing::device_sheet(bytes));
