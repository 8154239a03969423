package nn

var SoftmaxForTest, ProductsForTest, StandardForTest = softmax, products, standard
