#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| pulso_api::fuzzing::queue_message(bytes));
