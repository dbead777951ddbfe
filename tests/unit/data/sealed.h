/* What platform.seal() of migrations/platform/sql/seals.sql made, with the keys of sealed_test.c.
 */
#define SEALED_EURO                                                                                \
    "ffx1.k1.xwxK0QND6PwWQzBHWU5lVXsodzpeAS63qve0Em05TifgNEAfZDWWlNLnfF7eBVUu-UMhbbwF"             \
    "g2xSO83uA-_lFw"
#define SEALED_X                                                                                   \
    "ffx1.k2.idajEnSjkQYlromNU3Y6eYk_bfzJ_ZQe-I_N8ry0W0ddBTMz0le_jMb3DKqzB94GCdbpXTZF"             \
    "gpE1K8L9Kaxaow"
#define SEALED_EMPTY                                                                               \
    "ffx1.k1.97BqyAVhNB-1SRbbTOzYmTCPUiLVrjbqR-oOUBvED-RnqPJbrD_OpZ5q-mpfCg2fMYzr0k5l"             \
    "eRnR_Lvx7Gu2oQ"
#define SEALED_QUOTES                                                                              \
    "ffx1.k1.OF_LjddepGTqrCVF3CgrJmgEELqGlkK-dFfUK8j7Ruzb2dRZRwArUZXHgUtURbCexuM6o9MQ"             \
    "4p8eiLLJeOnT4w"
/* of the name loginCode_2 */
#define SEALED_CODE                                                                                \
    "ffx1.k2.Y6CRSYcNl1_vYIpQ7aF41lnL9YeNNKW4X7qVkFWiYcPMZJhSnmfcT8iH_7MYRb0GOB2oKnfj"             \
    "UJuSlBApLnbULg"
