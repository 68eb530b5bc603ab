// swift-tools-version: 6.0

import PackageDescription

// On Apple's systems the native library is an XCFramework, made by build-xcframework.sh; elsewhere, where only the
// tests run, the linker finds libaloekit_ffi. Both scripts write `Generated`, which is not committed.
#if canImport(Darwin)
    let native: Target = .binaryTarget(name: "aloekit_ffiFFI", path: "AloeKit.xcframework")
#else
    let native: Target = .systemLibrary(name: "aloekit_ffiFFI", path: "Generated/aloekit_ffiFFI")
#endif

let package = Package(
    name: "AloeKit",
    platforms: [.iOS(.v16), .macOS(.v13)],
    products: [
        .library(name: "AloeKit", targets: ["AloeKit"]),
        .library(name: "AloeKitTesting", targets: ["AloeKitTesting"]),
        .library(name: "AloeKitFoundationModels", targets: ["AloeKitFoundationModels"]),
    ],
    targets: [
        native,
        // Generated code is not written for Swift 6; what is written by hand is.
        .target(
            name: "AloeKitFFI", dependencies: ["aloekit_ffiFFI"], path: "Generated/AloeKitFFI",
            swiftSettings: [.swiftLanguageMode(.v5)],
            linkerSettings: ["Accelerate", "Foundation", "Metal", "MetalKit"].map {
                .linkedFramework($0, .when(platforms: [.iOS, .macOS]))
            } + [.linkedLibrary("c++", .when(platforms: [.iOS, .macOS]))]),
        .target(name: "AloeKit", dependencies: ["AloeKitFFI"]),
        .target(name: "AloeKitTesting", dependencies: ["AloeKit"]),
        .target(name: "AloeKitFoundationModels", dependencies: ["AloeKit"]),
        .testTarget(name: "AloeKitTests", dependencies: ["AloeKit", "AloeKitTesting", "AloeKitFoundationModels"]),
    ],
    swiftLanguageModes: [.v6]
)
