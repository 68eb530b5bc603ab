package dev.aloekit

import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import java.io.File

/**
 * Keeps an app from dying at every start over a model that is too large for the phone.
 *
 * The system ends an app that takes too much memory without a word. So a marker is written before a model is loaded and
 * deleted after it, loaded or refused: a marker that is still there names a model that the process did not survive.
 */
public class LoadGuard(
    private val marker: File,
) {
    /** The model whose last load the process did not survive. */
    public suspend fun unfinished(): String? = withContext(Dispatchers.IO) { read() }

    /** The user was asked and wants to try again. */
    public suspend fun forgive(): Unit = withContext(Dispatchers.IO) { clear() }

    internal suspend fun <T> around(
        model: String,
        load: suspend () -> T,
    ): T {
        withContext(Dispatchers.IO) {
            if (read() == model) throw UnfinishedLoadException(model)
            marker.absoluteFile.parentFile?.mkdirs()
            marker.writeText(model)
        }
        try {
            return load()
        } finally {
            clear()
        }
    }

    private fun read(): String? = if (marker.isFile) marker.readText() else null

    private fun clear() {
        marker.delete()
    }
}

/** The process did not survive the last load of this model: ask the user, then [LoadGuard.forgive], or choose another. */
public class UnfinishedLoadException(
    public val model: String,
) : Exception("the app did not survive the last load of this model")
