plugins {
    id("com.android.library")
    id("org.jetbrains.kotlin.android")
}

val workspace = rootDir.parentFile
val nativeLibraries = layout.buildDirectory.dir("native")
val bindings = layout.buildDirectory.dir("bindings")
val abis = listOf("arm64-v8a", "x86_64")

android {
    namespace = "dev.aloekit.library"
    compileSdk = 35
    ndkVersion = "28.0.13004108"

    defaultConfig {
        minSdk = 26
        consumerProguardFiles("consumer-rules.pro")
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
        ndk { abiFilters += abis }
    }

    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_17
        targetCompatibility = JavaVersion.VERSION_17
    }

    sourceSets {
        getByName("main") {
            jniLibs.srcDir(nativeLibraries)
            kotlin.srcDir(bindings)
        }
        getByName("androidTest") {
            // The same interpreter and the same cases as on the desktop.
            kotlin.srcDir("src/test/kotlin/dev/aloekit/conformance")
            assets.srcDir(workspace.resolve("tests/conformance"))
        }
    }
}

kotlin {
    explicitApi()
    jvmToolchain(17)
}

dependencies {
    api("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.8.1")
    // 5.17 or newer: older ones crash on 16 KB pages.
    implementation("net.java.dev.jna:jna:5.17.0@aar")
    // No newer one: those report to their maker.
    implementation("com.microsoft.onnxruntime:onnxruntime-android:1.26.0")

    testImplementation(kotlin("test-junit5"))
    testImplementation("net.java.dev.jna:jna:5.17.0")
    androidTestImplementation(kotlin("test-junit"))
    androidTestImplementation("androidx.test:runner:1.6.2")
    androidTestImplementation("androidx.test.ext:junit:1.2.1")
}

val cargo by tasks.registering(Exec::class) {
    description = "Builds the native library for every ABI, aligned to 16 KB pages."
    workingDir = workspace
    environment("RUSTFLAGS", "-C link-arg=-Wl,-z,max-page-size=16384")
    // Not stripped here: the bindings are read from the library's own symbols, and packaging strips its copy.
    environment("CARGO_PROFILE_DIST_STRIP", "none")
    environment("CMAKE_PROJECT_INCLUDE", workspace.resolve("bindings/small.cmake").path)
    val targets = abis.flatMap { listOf("-t", it) }
    val build = listOf("build", "--profile", "dist", "-p", "aloekit-ffi", "--no-default-features", "--features", "ort,cipher")
    commandLine(listOf("cargo", "ndk", "-P", "26") + targets + listOf("-o", nativeLibraries.get().asFile.path) + build)
}

val bindgen by tasks.registering(Exec::class) {
    description = "Writes the Kotlin bindings of the library that was built."
    dependsOn(cargo)
    workingDir = workspace
    val library =
        nativeLibraries
            .get()
            .file("arm64-v8a/libaloekit_ffi.so")
            .asFile.path
    val tool = listOf("cargo", "run", "-p", "aloekit-ffi", "--release", "--bin", "uniffi-bindgen", "--")
    val generate = listOf("generate", "--language", "kotlin", "--no-format")
    commandLine(tool + generate + listOf("--out-dir", bindings.get().asFile.path, library))
}

tasks.named("preBuild") { dependsOn(bindgen) }
