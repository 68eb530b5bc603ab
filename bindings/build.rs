//! How the library of an Android app is linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "android") {
        // Half a megabyte of relocations in a twentieth of that; Android's loader reads it since 6.
        println!("cargo:rustc-link-arg-cdylib=-Wl,--pack-dyn-relocs=android");
        // Functions of equal code become one, those excepted whose addresses are compared.
        println!("cargo:rustc-link-arg-cdylib=-Wl,--icf=safe");
    }
}
