package dev.aloekit.android

import android.content.Context
import dev.aloekit.AssistantParams
import dev.aloekit.EmbedderParams
import dev.aloekit.EngineParams
import dev.aloekit.LoadGuard
import dev.aloekit.StoreKey
import java.io.File

/**
 * Where an app keeps what belongs to its user: below `noBackupFilesDir`, so that no cloud backup takes it along.
 *
 * With a key, memory and snapshots are encrypted: [KeystoreKey] keeps one. Without, they are as safe as the app's private
 * storage: other apps cannot read them, and since Android 10 they lie on an encrypted disk.
 */
public class AppFolders(
    context: Context,
) {
    private val root = File(context.noBackupFilesDir, "aloekit")

    /** Marks a load under way, for [dev.aloekit.Assistant.open]. */
    public val guard: LoadGuard = LoadGuard(File(root, "loading"))

    /** Parameters with memory and snapshots in their places. */
    public fun params(
        engine: EngineParams,
        embedder: EmbedderParams? = null,
        key: StoreKey? = null,
    ): AssistantParams =
        AssistantParams(
            engine = engine,
            memory = File(root, "memory.db").path,
            embedder = embedder,
            snapshots = File(root, "snapshots").path,
            key = key,
        )

    /** An embedder on the ONNX Runtime that the app ships; the name is found in its own libraries. */
    public fun embedder(folder: File): EmbedderParams =
        EmbedderParams(
            runtimeLibrary = "libonnxruntime.so",
            model = File(folder, "model.onnx").path,
            tokenizer = File(folder, "tokenizer.json").path,
        )
}
