"""Names that other tools use for the keys and values of a config, for hints.

A user who knows another trainer writes its names: `learning_rate` (Keras, spaCy), `rnn_size` and `seq_length`
(char-rnn), `n_layer` and `block_size` (nanoGPT), `hidden_dim` (NCRF++), `mini_batch_size` (Flair), `c2`
(CRFsuite). The hint for an unknown key names the key of this project that has the same meaning.
"""

from __future__ import annotations

from collections.abc import Iterator

# A key, or a key with a value, and its names elsewhere. A name may stand for several keys; the first one that
# the task has is used.
_NAMES = {
    # --- data
    "data.text": "train_file train_files train_data train_text train_dir train_path training_file "
    "training_data "
    "input_file input_files input_path input data_file data_path data_dir dataset corpus text_file file "
    "files "
    "path filename paths",
    "data.train": "train_file train_files train_data train_dir train_path training_file training_data "
    "trainset "
    "input_file input_files input_path input data_file data_path data_dir dataset corpus corpora file files "
    "path filename paths text",
    "data.val": "valid validation val_file val_data val_path valid_file valid_data validation_file "
    "validation_data "
    "validation_set dev_file dev_data eval_file eval_data dev",
    "data.dev": "valid validation val_file val_data val_path valid_file valid_data validation_file "
    "validation_data "
    "validation_set dev_file dev_data dev_dir dev_path devset eval_file eval_data val",
    "data.test": "test_file test_data test_dir test_path test_set testset",
    "data.split": "validation_split val_split train_split train_frac val_frac test_size val_size dev_ratio "
    "val_ratio split_ratio holdout dev_size sample_missing_splits",
    "data.condition": "conditioning class classes label category categories class_column",
    "data.condition_column": "label_column category_column",
    "data.per_line": "line_by_line line_delimited new_line_delimited by_line",
    "data.unit": "word_level level tokenization char_level byte_level bytes token_level",
    "data.alphabet": "vocab vocabulary charset chars characters symbols",
    "data.max_symbols": "vocab_size max_vocab max_vocab_size vocabulary_size num_words max_words",
    "data.tokenized": "pretokenized is_tokenized",
    "data.min_count": "min_freq min_frequency vocab_min_freq unk_threshold cutoff",
    "data.columns": "column_format column_names fields column_name_map header",
    "data.label": "tag_type label_type label_name label_column tag_column target target_column tag tags "
    "labels "
    "task_name label_col y",
    "data.scheme": "tag_scheme tagscheme tag_format label_scheme label_encoding bio iob tagging_scheme "
    "tag_to_bioes tagschema",
    "data.separator": "delimiter sep column_delimiter field_separator",
    "data.format": "file_format input_format data_format",
    "data.text_key": "text_field text_column token_key tokens_key words_key token_field",
    "data.label_key": "label_field tags_key labels_key tag_key ner_tags",
    "data.normalize": "unicode_normalization unicode_form normalise number_normalized",
    # --- model
    "model.cell": "type rnn_type cell_type rnn_cell model_type unit_type rnn lstm gru word_seq_feature "
    "rnn_kind layer_type recurrent_unit word_rnn",
    "model.hidden_size": "rnn_size hidden_dim hidden hidden_units num_hidden n_hidden nhid num_units units "
    "hidden_state_size lstm_size lstm_dim rnn_hidden rnn_units dim_hidden hidden_width width "
    "hidden_layer_size state_size d_model lstm_hidden word_lstm_dim",
    "model.num_layers": "layers n_layers n_layer nlayers num_layer rnn_layers lstm_layer lstm_layers depth "
    "number_of_layers num_rnn_layers",
    "model.embedding_dim": "embedding_size embed_dim embed_size emb_dim emb_size emsize n_embd "
    "embeddings_dim "
    "embedding_width dim_embeddings wordvec_size output_dim input_dim char_emb_dim word_emb_dim "
    "embeddings_size",
    "model.bidirectional": "bi bilstm bidir bidirectional_rnn is_bidirectional bi_lstm use_bidirectional",
    "model.dropout": "drop dropout_rate dropout_prob keep_prob drop_rate p_drop dropout_ratio locked_dropout "
    "input_dropout recurrent_dropout",
    "model.word_dropout": "token_dropout unk_dropout word_drop",
    "model.tied": "tie_weights weight_tying tied_weights tie_embeddings tie_word_embeddings",
    "model.nonlinearity": "activation activation_function act",
    "model.initial_state": "init_state train_initial_hidden_state learn_initial_state",
    "model.forget_bias": "unit_forget_bias forget_gate_bias",
    "model.features": "use_char char_seq_feature embeddings use_char_embeddings char_embeddings "
    "word_embeddings "
    "pretrained_embeddings word_emb_dir word_embedding feature",
    "model.decoder": "inference decoding output_layer",
    "model.decoder: crf": "use_crf crf crf_layer use_crf_layer",
    "model.layer_norm": "layernorm use_layer_norm layer_normalization",
    "model.projection": "projection_dim proj_size reproject_embeddings dense_dim mlp_dim",
    "model.output": "head output_type",
    # --- training
    "training.epochs": "num_epochs max_epochs n_epochs nepochs epoch iteration iterations num_train_epochs "
    "total_epochs max_num_epochs num_passes max_iterations",
    "training.max_steps": "steps max_iters max_iter iters num_steps total_steps train_steps "
    "num_train_steps updates "
    "max_updates num_iterations",
    "training.max_minutes": "max_time time_limit timeout max_train_time",
    "training.batch_size": "batch minibatch_size mini_batch_size batchsize bs train_batch_size "
    "per_device_train_batch_size num_streams batch_chunk_size",
    "training.batch_words": "max_tokens tokens_per_batch batch_tokens words_per_batch batch_by_words",
    "training.window": "seq_length seq_len sequence_length block_size bptt bptt_len max_length maxlen "
    "context_length "
    "context_size time_steps timesteps num_steps unroll max_len seqlen tbptt chunk_length chunk_len "
    "truncated_bptt",
    "training.optimizer": "optim optimiser solver algorithm optimizer_type method opt",
    "training.lr": "learning_rate learn_rate lrate lr0 eta alpha step_size initial_lr init_lr base_lr max_lr "
    "initial_learning_rate learningrate peak_lr learning_rate_max lr_max initial_rate learn_rate_max",
    "training.betas": "beta beta1 beta2 adam_betas adam_beta1 adam_beta2 beta_1 beta_2",
    "training.momentum": "mom momentum_rate",
    "training.weight_decay": "l2 c2 c1 reg lambda wd decay l2_reg l2_penalty regularization "
    "l2_regularization l1",
    "training.schedule": "scheduler lr_scheduler lr_schedule schedule_type lr_scheduler_type lr_policy "
    "decay_lr "
    "lr_decay_type anneal_with_restarts",
    "training.warmup_steps": "warmup warmup_iters warmup_updates num_warmup_steps warmup_ratio "
    "warmup_fraction "
    "warm_up warmup_epochs warm_up_steps",
    "training.decay_steps": "lr_decay_every learning_rate_decay_after lr_decay_steps lr_decay_iters "
    "anneal_patience",
    "training.decay_factor": "lr_decay learning_rate_decay decay_rate gamma anneal_factor lr_decay_rate "
    "lr_factor "
    "lr_decay_factor",
    "training.final_lr": "min_lr min_learning_rate eta_min lr_min end_lr",
    "training.clip_norm": "grad_clip gradient_clip gradient_clipping clip clipnorm clipvalue max_grad_norm "
    "gradient_clip_val grad_clip_norm clip_grad_norm max_norm clip_gradients clip_grad clip_value grad_norm "
    "gradient_clip_norm",
    "training.ema": "use_averages moving_average ema_decay averaging use_swa exponential_moving_average "
    "average_weights swa polyak",
    "training.label_smoothing": "smoothing label_smooth label_smoothing_factor",
    "training.class_weights": "class_weight loss_weights weight_dict weights pos_weight label_weights",
    "training.accumulate": "accumulate_gradient gradient_accumulation_steps grad_accumulation_steps "
    "accumulation_steps "
    "accumulate_grad_batches grad_accum",
    "training.eval_every": "eval_frequency eval_interval eval_val_every evaluation_steps val_interval "
    "eval_steps "
    "validate_every val_check_interval eval_freq save_every eval_iters",
    "training.print_every": "log_interval log_every print_freq print_interval logging_steps verbose "
    "gen_epochs",
    "training.patience": "early_stopping early_stop early_stopping_patience stop_patience "
    "early_stopping_rounds "
    "num_early_stopping early_stopping_round",
    "training.checkpoint_minutes": "checkpoint_every save_interval save_steps checkpoint_interval save_freq",
    "training.init_from": "pretrained pretrained_model load_model init_weights load weights_path start_from "
    "checkpoint restore_from init_tok2vec finetune_from",
    "training.threads": "num_threads n_threads n_jobs cpus num_cpus nthreads num_workers workers",
    "training.device": "gpu gpuid gpu_id use_gpu use_cuda cuda accelerator gpu_allocator devices",
    "training.precision": "dtype amp use_amp fp16 bf16 mixed_precision half use_fp16",
    "training.deterministic": "reproducible cudnn_deterministic",
    "training.shuffle": "shuffle_data reshuffle",
    # --- top level
    "name": "run_name experiment experiment_name model_name savedir out_dir output_dir save_dir save_path "
    "checkpoint_dir model_dir output base_path model_save_dir log_dir",
    "seed": "random_seed manual_seed rng_seed random_state rand_seed torch_seed",
    "training": "trainer train_config training_args hyperparameters hyperparams hparams optimization fit",
    "model": "network net architecture nlp",
    "data": "datasets corpus_config io paths",
}
OTHER_KEYS: dict[str, list[str]] = {}
for _key, _names in _NAMES.items():
    for _name in _names.split():
        OTHER_KEYS.setdefault(_name, []).append(_key)

# Values: the value here, and its names elsewhere. A name may stand for a value of several keys.
_VALUES = {
    "file": "filename file_name files folder directory",
    "column": "csv tsv table header field",
    "prefix": "separator label_prefix",
    "iob2": "bio bio2 iob-2 iob_2",
    "iob1": "iob iob-1",
    "bioes": "iobes bilou biluo bieos bmeow bmes biose bioul",
    "io": "io_tags",
    "rnn": "elman vanilla simple simplernn simple_rnn rnn_tanh rnn_relu srn vanilla_rnn jordan",
    "lstm": "bilstm bi-lstm bi_lstm blstm lstmcell lstm_cell cudnnlstm qlstm",
    "gru": "bigru bi-gru grucell gru_cell cudnngru",
    "adamw": "nadam radam adamax lamb adafactor adadelta lion fused_adam amsgrad adam_w",
    "sgd": "sgdm gd momentum nesterov asgd",
    "cosine": "cos cosine_annealing cosineannealinglr cosineannealing cosine_decay onecycle onecyclelr",
    "step": "steplr step_lr multistep exponential exponentiallr staircase step_decay",
    "plateau": "reducelronplateau reduce_lr_on_plateau reduce_on_plateau annealonplateau",
    "constant": "fixed none",
    "cuda": "gpu nvidia cuda:0 gpu:0",
    "mps": "metal apple",
    "float32": "fp32 32 single float full f32",
    "bfloat16": "bf16 fp16 float16 half 16 mixed amp",
    "char": "characters chars letter character",
    "byte": "bytes utf8",
    "conll": "conll2003 conll03 conll-2003 conll2002 conll2000 tsv column columns iob bio ner conllx "
    "column_corpus",
    "conllu": "ud universal_dependencies conll-u conll_u",
    "jsonl": "json ndjson json_lines",
    "crf": "crf_layer linear_crf chain_crf",
    "softmax": "argmax greedy none linear",
    "viterbi": "constrained beam",
    "onehot": "one-hot one_hot onehots",
    "embedding": "embed lookup embeddings",
    "learned": "trained trainable learnable",
    "zeros": "zero",
    "balanced": "auto inverse inverse_frequency",
}


def other_key(name: str) -> list[str]:
    """Return the keys, such as `training.lr` or `model.decoder: crf`, that have this name in other tools."""
    return OTHER_KEYS.get(name.lower().replace("-", "_").strip("_"), [])


def other_value(text: str, choices: tuple[str, ...]) -> str:
    """Return the one of the choices that has this name in other tools, or an empty text."""
    return next((value for value, name in value_names() if name == text.lower() and value in choices), "")


def value_names() -> Iterator[tuple[str, str]]:
    """Yield each value with each of its names in other tools."""
    return ((value, name) for value, names in _VALUES.items() for name in names.split())
