package dev.aloekit.sample

import android.os.Bundle
import androidx.activity.ComponentActivity
import androidx.activity.compose.setContent
import androidx.compose.material3.MaterialTheme
import androidx.compose.material3.Text
import androidx.compose.runtime.getValue
import androidx.compose.runtime.mutableStateOf
import androidx.compose.runtime.setValue
import androidx.lifecycle.lifecycleScope
import dev.aloekit.AloeException
import dev.aloekit.Assistant
import dev.aloekit.EngineParams
import dev.aloekit.UnfinishedLoadException
import dev.aloekit.android.AppFolders
import dev.aloekit.android.AssistantLifecycle
import dev.aloekit.android.KeystoreKey
import kotlinx.coroutines.launch
import java.io.File

/** Opens the assistant and shows one screen. The model is a file `model.gguf` in the app's external folder. */
class ChatActivity : ComponentActivity() {
    private var model by mutableStateOf<ChatModel?>(null)
    private var notice by mutableStateOf("Loading the model.")
    private var assistant: Assistant? = null
    private var lifecycleOfAssistant: AssistantLifecycle? = null

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        setContent {
            MaterialTheme {
                model?.let { ChatView(it, exportFile = { name -> File(getExternalFilesDir(null), name) }) } ?: Text(notice)
            }
        }
        lifecycleScope.launch { open() }
    }

    private suspend fun open() {
        val folders = AppFolders(this)
        val engine = EngineParams(File(getExternalFilesDir(null), "model.gguf").path)
        try {
            val params = folders.params(engine, key = KeystoreKey.loadOrCreate(this))
            val opened = Assistant.open(params, folders.guard)
            assistant = opened
            lifecycleOfAssistant = AssistantLifecycle(application, opened, lifecycleScope)
            model = ChatModel(opened, opened.session(), lifecycleScope).also { it.refresh() }
        } catch (_: UnfinishedLoadException) {
            notice = "This model was too much for the phone the last time. Choose a smaller one."
        } catch (error: AloeException) {
            notice = sentence(error)
        }
    }

    override fun onDestroy() {
        lifecycleOfAssistant?.close()
        assistant?.close()
        super.onDestroy()
    }
}
