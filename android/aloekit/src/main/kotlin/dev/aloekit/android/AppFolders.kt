package dev.aloekit.android

import android.content.Context
import dev.aloekit.AssistantParams
import dev.aloekit.EmbedderParams
import dev.aloekit.EngineParams
import dev.aloekit.LoadGuard
import java.io.File

/**
 * Where an app keeps what belongs to its user: below `noBackupFilesDir`, so that no cloud backup takes it along.
 *
 * The memory is not encrypted by this version. It is as safe as the app's private storage: other apps cannot read it, and
 * since Android 10 it lies on an encrypted disk. [StoreKey] is made ready for the version that encrypts.
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
    ): AssistantParams =
        AssistantParams(
            engine = engine,
            memory = File(root, "memory.db").path,
            embedder = embedder,
            snapshots = File(root, "snapshots").path,
        )

    /** An embedder on the ONNX Runtime that the app ships; the name is found in its own libraries. */
    public fun embedder(folder: File): EmbedderParams =
        EmbedderParams(
            runtimeLibrary = "libonnxruntime.so",
            model = File(folder, "model.onnx").path,
            tokenizer = File(folder, "tokenizer.json").path,
        )
}
