//! Writes the Kotlin and Swift files for a library that was built: `uniffi-bindgen generate --language kotlin ...`.

fn main() {
    uniffi::uniffi_bindgen_main();
}
