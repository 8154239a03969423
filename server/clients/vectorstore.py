"""LangChain's Qdrant vector store, unchanged, with an embedder that needs no model.

    python vectorstore.py http://127.0.0.1:6333
"""

import hashlib
import math
import sys

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_qdrant import QdrantVectorStore
from qdrant_client import models


class Letters(Embeddings):
    """A text as how often its words fall into each of 64 bins: the same words, the same vector."""

    def embed_query(self, text):
        v = [0.01] * 64
        for word in text.lower().split():
            v[hashlib.md5(word.encode()).digest()[0] % 64] += 1
        norm = math.sqrt(sum(x * x for x in v))
        return [x / norm for x in v]

    def embed_documents(self, texts):
        return [self.embed_query(t) for t in texts]


def main(url):
    texts = ["a red fox in the snow", "the blue whale sings", "graphs of nearest neighbours", "snow on a quiet hill"]
    docs = [Document(page_content=t, metadata={"n": i, "about": "animal" if i < 2 else "other"}) for i, t in enumerate(texts)]
    store = QdrantVectorStore.from_documents(docs, Letters(), url=url, collection_name="langchain", force_recreate=True)

    assert store.similarity_search("the blue whale", k=1)[0].page_content == texts[1]
    (doc, score), *_ = store.similarity_search_with_score("a red fox in the snow", k=2)
    assert doc.page_content == texts[0] and abs(score - 1) < 1e-4, (doc, score)
    only = models.Filter(must=[models.FieldCondition(key="metadata.about", match=models.MatchValue(value="other"))])
    found = store.similarity_search("a red fox in the snow", k=4, filter=only)
    assert sorted(d.metadata["n"] for d in found) == [2, 3], found
    assert len(store.max_marginal_relevance_search("snow", k=2, fetch_k=4)) == 2
    (added,) = store.add_texts(["a new text about owls"], metadatas=[{"n": 4}])
    assert store.get_by_ids([added])[0].page_content == "a new text about owls"
    assert store.similarity_search("owls", k=1)[0].metadata["n"] == 4
    assert store.delete([added])
    assert store.get_by_ids([added]) == []
    again = QdrantVectorStore.from_existing_collection(collection_name="langchain", embedding=Letters(), url=url)
    retriever = again.as_retriever(search_kwargs={"k": 1})
    assert retriever.invoke("graphs of nearest neighbours")[0].page_content == texts[2]
    again.client.delete_collection("langchain")
    print("langchain: QdrantVectorStore as expected")


main(sys.argv[1].rstrip("/"))
