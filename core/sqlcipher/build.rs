//! Compiles SQLCipher with what the memory needs of SQLite, and with the ciphers of this crate.

/// SQLite's switches: what `rusqlite` and the memory use, and nothing else. Names without `SQLITE_`.
const SQLITE: &[(&str, &str)] = &[
    ("DEFAULT_FOREIGN_KEYS", "1"),
    ("DEFAULT_MEMSTATUS", "0"),
    ("ENABLE_API_ARMOR", "1"),
    ("ENABLE_FTS5", "1"),
    ("OMIT_DEPRECATED", "1"),
    ("OMIT_LOAD_EXTENSION", "1"),
    ("THREADSAFE", "1"),
    ("USE_URI", "1"),
    // SQLCipher: pages are encrypted, and what is put aside meanwhile stays in memory.
    ("HAS_CODEC", "1"),
    ("TEMP_STORE", "3"),
    ("EXTRA_INIT", "sqlcipher_extra_init"),
    ("EXTRA_SHUTDOWN", "sqlcipher_extra_shutdown"),
];

fn main() {
    let folder = sqlcipher_src::source_dir();
    let mut build = cc::Build::new();
    build.file(folder.join(sqlcipher_src::SOURCE_FILE)).include(folder).warnings(false);
    for (name, value) in SQLITE {
        build.define(&format!("SQLITE_{name}"), *value);
    }
    for (name, value) in [
        ("SQLCIPHER_CRYPTO_CUSTOM", "aloekit_sqlcipher_provider"),
        ("HAVE_STDINT_H", "1"),
        ("HAVE_USLEEP", "1"),
        ("HAVE_ISNAN", "1"),
    ] {
        build.define(name, value);
    }
    if std::env::var_os("CARGO_CFG_WINDOWS").is_none() {
        build.define("HAVE_LOCALTIME_R", "1");
    }
    // Whole: its callers stand in another crate, and linkers that read archives once would not find it for them.
    build.link_lib_modifier("+whole-archive").compile("aloekit_sqlcipher");
    println!("cargo:rerun-if-changed=build.rs");
}
